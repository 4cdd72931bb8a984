"""The images of a split that have a caption."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.data.images import Images, Joined, Subset
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Split

MAX_SUBSTITUTES = 512  # training images that replace a validation split without captions


@dataclass(frozen=True)
class CaptionedImages:
    """N images with their captions."""

    images: Images  # uint8 (N, S, S, 3), read on access
    captions: list[str]
    paraphrases: list[list[str]]  # other captions of each image, possibly none

    def __len__(self) -> int:
        return len(self.captions)

    def groups(self) -> NDArray[np.int64]:
        """Group numbers (N,); images with equal captions have equal numbers."""
        return np.unique(np.array(self.captions), return_inverse=True)[1].astype(np.int64)

    def all_captions(self) -> list[str]:
        return [*self.captions, *(text for texts in self.paraphrases for text in texts)]


def captioned(split: Split) -> CaptionedImages:
    """The images of a split that have a caption."""
    rows = np.flatnonzero(split.captions["caption"].notna().to_numpy())
    table = split.captions.iloc[rows]
    images = split.images if len(rows) == len(split) else Subset(split.images, rows)
    return CaptionedImages(
        images, [str(text) for text in table["caption"]], [list(texts) for texts in table["paraphrases"]]
    )


def joined(splits: Sequence[Split]) -> CaptionedImages:
    """The images of several splits that have a caption, one split after the other."""
    parts = [part for part in map(captioned, splits) if len(part)]
    if len(parts) < 2:
        return parts[0] if parts else captioned(splits[0])
    captions = [text for part in parts for text in part.captions]
    paraphrases = [texts for part in parts for texts in part.paraphrases]
    return CaptionedImages(Joined([part.images for part in parts]), captions, paraphrases)


def with_generated(table: pd.DataFrame, rows: NDArray[np.intp], generated: Sequence[str]) -> pd.DataFrame:
    """A copy of a split's table with n ``generated`` captions in the ``rows`` (n,)."""
    complete = table.copy()
    for column, values in (("caption", list(generated)), ("caption_source", ["generated"] * len(rows))):
        filled = complete[column].to_numpy(object, copy=True)
        filled[rows] = values
        complete[column] = filled
    return complete


def for_training(train: Split, validation: Split, stage: str) -> tuple[CaptionedImages, CaptionedImages]:
    """The captioned images for training and for validation; ``stage`` is named in the error.

    If fewer than two images of the validation split have a caption, training images replace them.

    Raises:
        LexipixError: Fewer than two training images have a caption.
    """
    learn, validate = captioned(train), captioned(validation)
    if len(learn) < 2:
        raise LexipixError(
            f"{stage}: {len(learn)} of {len(train):,} training images have a caption, and training needs at "
            "least two: add captions to the source (a metadata.jsonl, a NAME.txt beside each image, or class "
            "folders) and run `kedro run --pipelines ingestion` again."
        )
    if len(validate) < 2:
        rows = np.arange(min(len(learn), MAX_SUBSTITUTES))
        validate = CaptionedImages(
            Subset(learn.images, rows), learn.captions[: len(rows)], learn.paraphrases[: len(rows)]
        )
    return learn, validate

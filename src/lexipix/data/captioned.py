"""The pictures of a split that have a caption; the others wait for the captioner."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.data.images import Images, Subset
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Split

N_STAND_IN = 512


@dataclass(frozen=True)
class CaptionedImages:
    """Pictures with their captions, row by row.

    Attributes:
        images: uint8 (N, S, S, 3), read as they are asked for.
        captions: N texts.
        paraphrases: N lists of other wordings, possibly empty.
    """

    images: Images
    captions: list[str]
    paraphrases: list[list[str]]

    def __len__(self) -> int:
        return len(self.captions)

    def groups(self) -> NDArray[np.int64]:
        """Give int (N,): equal numbers mark equal captions."""
        return np.unique(np.array(self.captions), return_inverse=True)[1].astype(np.int64)

    def wordings(self) -> list[str]:
        """Every caption and paraphrase."""
        return [*self.captions, *(text for texts in self.paraphrases for text in texts)]


def captioned(split: Split) -> CaptionedImages:
    """Take the pictures of a split that have a caption."""
    rows = np.flatnonzero(split.captions["caption"].notna().to_numpy())
    chosen = split.captions.iloc[rows]
    kept = split.images if len(rows) == len(split) else Subset(split.images, rows)
    return CaptionedImages(
        kept, [str(text) for text in chosen["caption"]], [list(texts) for texts in chosen["paraphrases"]]
    )


def with_generated(table: pd.DataFrame, rows: NDArray[np.intp], written: Sequence[str]) -> pd.DataFrame:
    """A copy of a split's table with captions that a captioner wrote for some rows.

    Args:
        table: See :class:`lexipix.utils.types.Split`.
        rows: Row numbers (n,).
        written: n captions.
    """
    complete = table.copy()
    for column, values in (("caption", list(written)), ("caption_source", ["generated"] * len(rows))):
        filled = complete[column].to_numpy(object, copy=True)
        filled[rows] = values
        complete[column] = filled
    return complete


def for_training(train: Split, validation: Split, stage: str) -> tuple[CaptionedImages, CaptionedImages]:
    """Take the captioned pictures to learn from, and those to validate with.

    Args:
        train: The training split.
        validation: Where it has less than two captions, training pictures stand in.
        stage: Named in the error.

    Raises:
        LexipixError: Less than two training pictures have a caption.
    """
    learn, validate = captioned(train), captioned(validation)
    if len(learn) < 2:
        raise LexipixError(
            f"{stage}: {len(learn)} of {len(train):,} training pictures have a caption, and there is nothing "
            "to learn from less than two: add captions to the source (a metadata.jsonl, a NAME.txt beside "
            "each picture, or class folders) and run `kedro run --pipelines ingestion` again."
        )
    if len(validate) < 2:
        rows = np.arange(min(len(learn), N_STAND_IN))
        validate = CaptionedImages(
            Subset(learn.images, rows), learn.captions[: len(rows)], learn.paraphrases[: len(rows)]
        )
    return learn, validate

"""The pictures of a split that have a caption; the others wait for the captioner."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lexipix.errors import LexipixError
from lexipix.training.data import Images, Subset

if TYPE_CHECKING:
    import pandas as pd

N_STAND_IN = 512


@dataclass(frozen=True)
class Captioned:
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


def captioned(images: Images, captions: "pd.DataFrame") -> Captioned:
    """Take the rows that have a caption.

    Args:
        images: uint8 (N, S, S, 3).
        captions: N rows with the columns caption (null where there is none) and paraphrases.
    """
    rows = np.flatnonzero(captions["caption"].notna().to_numpy())
    chosen = captions.iloc[rows]
    kept = images if len(rows) == len(captions) else Subset(images, rows)
    return Captioned(
        kept, [str(text) for text in chosen["caption"]], [list(texts) for texts in chosen["paraphrases"]]
    )


def for_training(
    train: Captioned, validation: Captioned, stage: str, images: Images | None = None
) -> tuple[Captioned, Captioned]:
    """Check that there is something to learn from, and to validate with.

    Args:
        train: Captioned pictures of the training split.
        validation: Of the validation split; where it has less than two, training pictures stand in.
        stage: Named in the error.
        images: All training pictures, for their number in the error.

    Raises:
        LexipixError: Less than two training pictures have a caption.
    """
    if len(train) < 2:
        of = f" of {len(images):,}" if images is not None else ""
        raise LexipixError(
            f"{stage}: {len(train)}{of} training pictures have a caption, and there is nothing to learn from "
            "less than two: add captions to the source (a metadata.jsonl, a NAME.txt beside each picture, or "
            "class folders) and run `kedro run --pipelines ingestion` again."
        )
    if len(validation) < 2:
        rows = np.arange(min(len(train), N_STAND_IN))
        validation = Captioned(
            Subset(train.images, rows), train.captions[: len(rows)], train.paraphrases[: len(rows)]
        )
    return train, validation

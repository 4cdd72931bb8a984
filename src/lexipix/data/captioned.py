"""The images of a split that have a caption."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, TypeVar, cast, overload

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.data.images import Images, Joined, Subset
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Split

Value = TypeVar("Value")

MAX_SUBSTITUTES = 512  # training images that replace a validation split without captions


class Column(Sequence[Value]):
    """A column of a table as a sequence, whose values become Python's when they are read."""

    def __init__(self, column: "pd.Series[Any]", convert: Callable[[Any], Value]) -> None:
        self.column, self.convert = column, convert

    def __len__(self) -> int:
        return len(self.column)

    def __iter__(self) -> Iterator[Value]:
        return map(self.convert, self.column)

    @overload
    def __getitem__(self, rows: int) -> Value: ...

    @overload
    def __getitem__(self, rows: slice) -> list[Value]: ...

    def __getitem__(self, rows: int | slice) -> Value | list[Value]:
        found = self.column.iloc[rows]
        return list(map(self.convert, found)) if isinstance(rows, slice) else self.convert(found)


@dataclass(frozen=True)
class CaptionedImages:
    """N images with their captions."""

    images: Images  # uint8 (N, S, S, 3), read on access
    captions: Sequence[str]
    paraphrases: Sequence[list[str]]  # other captions of each image, possibly none

    def __len__(self) -> int:
        return len(self.captions)

    def groups(self) -> NDArray[np.int64]:
        """Group numbers (N,); images with equal captions have equal numbers."""
        captions = self.captions.column if isinstance(self.captions, Column) else list(self.captions)
        return pd.factorize(pd.Series(captions), sort=True)[0].astype(np.int64, copy=False)

    def all_captions(self) -> Iterator[str]:
        return chain(self.captions, chain.from_iterable(self.paraphrases))


def captioned(split: Split) -> CaptionedImages:
    """The images of a split that have a caption."""
    table, images = _captioned(split)
    return CaptionedImages(images, *_columns(table))


def joined(splits: Sequence[Split]) -> CaptionedImages:
    """The images of several splits that have a caption, one split after the other."""
    parts = [(table, images) for table, images in map(_captioned, splits) if len(table)]
    if not parts:
        return captioned(splits[0])
    tables, images = zip(*parts, strict=True)
    return CaptionedImages(
        images[0] if len(images) == 1 else Joined(images), *_columns(pd.concat(tables, ignore_index=True))
    )


def _captioned(split: Split) -> tuple[pd.DataFrame, Images]:
    table, images = split.captions[["caption", "paraphrases"]], cast(Images, split.images)
    rows = np.flatnonzero(table["caption"].notna().to_numpy())
    if len(rows) == len(split):
        return table, images
    return table.iloc[rows], Subset(images, rows)


def _columns(table: pd.DataFrame) -> tuple[Column[str], Column[list[str]]]:
    return Column(table["caption"], str), Column(table["paraphrases"], list)


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

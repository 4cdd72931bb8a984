"""Counts accepted and rejected images, and checks whether the ingestion is valid."""

import hashlib
from operator import itemgetter
from typing import Any

from lexipix.config.ingestion import IngestionParameters
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SPLITS, Reject, SourceImage

_N_EXAMPLES = 48


class Duplicate(Reject):
    """A duplicate image; it does not count towards ``max_reject_share``."""


class IngestReport:
    """Counts and examples of an ingestion."""

    def __init__(self, parameters: IngestionParameters) -> None:
        self._parameters = parameters
        self._counts = dict.fromkeys(SPLITS, 0)
        self._n_rejected = self._n_duplicates = self._n_uncaptioned = self._n_captioned = 0
        self._reasons: list[str] = []
        self._digest = hashlib.sha256()
        self._examples: list[tuple[str, dict[str, Any]]] = []  # with digests

    def add(self, item: SourceImage | Reject) -> None:
        """Count one item."""
        if isinstance(item, Duplicate):
            self._n_duplicates += 1
        elif isinstance(item, Reject):
            self._n_rejected += 1
            if len(self._reasons) < 3:
                self._reasons.append(f"{item.file}: {item.reason}")
        else:
            self._add_image(item)

    def _add_image(self, image: SourceImage) -> None:
        assert image.digest is not None and image.split is not None
        if image.split == "train":
            # The images with the smallest digests are a uniform sample that does not depend on the order.
            example = {"row": self._counts["train"], "file": image.file, "caption": image.caption}
            self._examples = sorted([*self._examples, (image.digest, example)], key=itemgetter(0))
            del self._examples[_N_EXAMPLES:]
        self._counts[image.split] += 1
        self._n_uncaptioned += image.caption is None
        self._n_captioned += image.caption_source == "generated"
        self._digest.update(f"{image.split}\t{image.digest}\t{image.caption or ''}\n".encode())

    def summary(self) -> dict[str, Any]:
        """Summary of a finished ingestion.

        Raises:
            LexipixError: Too many images were rejected, or a split is empty.
        """
        self._check_rejects()
        self._check_splits()
        return {
            "source": self._parameters.source.kind,
            **{f"n_{split}": count for split, count in self._counts.items()},
            "rejected": self._n_rejected + self._n_duplicates,
            "duplicates": self._n_duplicates,
            "uncaptioned": self._n_uncaptioned,
            **({"described": self._n_captioned} if self._n_captioned else {}),
            "image_size": self._parameters.image_size,
            "digest": self._digest.hexdigest()[:32],
            "examples": sorted((example for _, example in self._examples), key=itemgetter("row")),
        }

    def _check_rejects(self) -> None:
        total = self._n_rejected + sum(self._counts.values())
        share = self._n_rejected / max(1, total)
        allowed = self._parameters.max_reject_share
        if share > allowed:
            raise LexipixError(
                f"{self._n_rejected:,} of {total:,} images ({share:.1%}) were rejected, but "
                f"ingestion.max_reject_share allows {allowed:.1%}. The first: {'; '.join(self._reasons)}. "
                "Fix them, or increase ingestion.max_reject_share to continue without them."
            )

    def _check_splits(self) -> None:
        total = sum(self._counts.values())
        if not total:
            raise LexipixError("The source has no image that can be used.")
        for split, count in self._counts.items():
            if not count:
                share = "the rest" if split == "train" else getattr(self._parameters.splits, split)
                raise LexipixError(
                    f"The split {split!r} has no images (ingestion.splits.{split} is {share}, "
                    f"the source has {total} images): add images or change the shares."
                )

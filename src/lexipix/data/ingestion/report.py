"""Counts what an ingestion kept and set aside, and judges whether it may stand."""

import hashlib
import heapq
from typing import Any

from lexipix.config.ingestion import IngestionParameters
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SPLITS, Picture, Reject

_N_EXAMPLES = 48


class Duplicate(Reject):
    """A picture that is there already; it is set aside but not held against the source."""


class IngestReport:
    """What was seen so far.

    Args:
        parameters: The ingestion's parameters.
    """

    def __init__(self, parameters: IngestionParameters) -> None:
        self._parameters = parameters
        self._counts = dict.fromkeys(SPLITS, 0)
        self._n_rejected = self._n_duplicates = self._n_uncaptioned = self._n_described = 0
        self._reasons: list[str] = []
        self._digest = hashlib.sha256()
        self._examples: list[tuple[int, int, str, str | None]] = []

    def add(self, item: Picture | Reject) -> None:
        """Count one item."""
        if isinstance(item, Duplicate):
            self._n_duplicates += 1
        elif isinstance(item, Reject):
            self._n_rejected += 1
            if len(self._reasons) < 3:
                self._reasons.append(f"{item.file}: {item.reason}")
        else:
            self._add_picture(item)

    def _add_picture(self, picture: Picture) -> None:
        assert picture.digest is not None and picture.split in self._counts
        if picture.split == "train":
            # Those with the smallest digests: an even sample of any stream, and always the same one. The
            # heap's first is the one to give way, hence the minus.
            row = self._counts["train"]
            example = (-int(picture.digest, 16), row, picture.file, picture.caption)
            if len(self._examples) < _N_EXAMPLES:
                heapq.heappush(self._examples, example)
            elif example > self._examples[0]:
                heapq.heapreplace(self._examples, example)
        self._counts[picture.split] += 1
        self._n_uncaptioned += picture.caption is None
        self._n_described += picture.caption_source == "generated"
        self._digest.update(f"{picture.split}\t{picture.digest}\t{picture.caption or ''}\n".encode())

    def summary(self) -> dict[str, Any]:
        """Sum up a finished ingestion.

        Raises:
            LexipixError: It may not stand: too much was rejected, or a split is empty.
        """
        self._check_rejects()
        self._check_splits()
        return {
            "source": self._parameters.source.kind,
            **{f"n_{split}": count for split, count in self._counts.items()},
            "rejected": self._n_rejected + self._n_duplicates,
            "duplicates": self._n_duplicates,
            "uncaptioned": self._n_uncaptioned,
            **({"described": self._n_described} if self._n_described else {}),
            "image_size": self._parameters.image_size,
            "digest": self._digest.hexdigest()[:32],
            "examples": [
                {"row": row, "file": file, "caption": caption}
                for _, row, file, caption in sorted(self._examples, key=lambda example: example[1])
            ],
        }

    def _check_rejects(self) -> None:
        total = self._n_rejected + sum(self._counts.values())
        share = self._n_rejected / max(1, total)
        allowed = self._parameters.max_reject_share
        if share > allowed:
            raise LexipixError(
                f"{self._n_rejected:,} of {total:,} pictures ({share:.1%}) cannot be used, and "
                f"ingestion.max_reject_share allows {allowed:.1%}. The first: {'; '.join(self._reasons)}. "
                "Mend them, or raise ingestion.max_reject_share to go on without them."
            )

    def _check_splits(self) -> None:
        total = sum(self._counts.values())
        if not total:
            raise LexipixError("No picture is left to work with: the source gave none that can be used.")
        for split, count in self._counts.items():
            if not count:
                share = "what is left" if split == "train" else getattr(self._parameters.splits, split)
                raise LexipixError(
                    f"The split {split!r} is left without a picture (ingestion.splits.{split} is {share}, "
                    f"the source gave {total} in all): add pictures or change the shares."
                )

"""Counts accepted and rejected images, and checks whether the ingestion is valid."""

import hashlib
from collections import Counter
from operator import itemgetter
from typing import Any

from lexipix.config.ingestion import IngestionParameters
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import SPLITS, Duplicate, Reject, SourceImage

_N_EXAMPLES = 48


class IngestReport:
    """Counts and examples of an ingestion."""

    def __init__(self, parameters: IngestionParameters) -> None:
        self._parameters = parameters
        self._counts: Counter[str] = Counter()
        self._reasons: list[str] = []
        self._digest = hashlib.sha256()
        self._examples: list[tuple[str, dict[str, Any]]] = []  # with digests

    def add(self, item: SourceImage | Reject) -> None:
        """Count one item."""
        if isinstance(item, Reject):
            kind = "rejected" if item.is_counted else "skipped"
            self._counts["duplicates" if isinstance(item, Duplicate) else kind] += 1
            if item.is_counted and len(self._reasons) < 3:
                self._reasons.append(f"{item.file}: {item.reason}")
            if isinstance(item, Duplicate) and item.texts:
                self._add_captions(item)
            return
        assert item.digest is not None and item.split is not None
        if item.split == "train":
            # The images with the smallest digests are a uniform sample that does not depend on the order.
            example = {"row": self._counts["train"], "file": item.file, "caption": item.caption}
            self._examples = sorted([*self._examples, (item.digest, example)], key=itemgetter(0))
            del self._examples[_N_EXAMPLES:]
        self._counts[item.split] += 1
        self._counts["uncaptioned"] += item.caption is None
        self._counts["class_captions"] += item.from_folder_name and item.caption_source == "given"
        self._counts["described"] += item.caption_source == "generated"
        self._digest.update(f"{item.split}\t{item.digest}\t{item.caption or ''}\n".encode())

    def _add_captions(self, item: Duplicate) -> None:
        self._digest.update(f"{item.digest}\t{item.texts}\n".encode())
        if item.is_first_caption:
            self._counts["uncaptioned" if self._parameters.captioner is None else "described"] -= 1
            for digest, example in self._examples:
                if digest == item.digest:
                    example["caption"] = item.texts[0]

    def summary(self) -> dict[str, Any]:
        """Summary of a finished ingestion; LexipixError if too many were rejected, or a split is empty."""
        counts = self._counts
        n_images = sum(counts[split] for split in SPLITS)
        self._check_rejects(n_images)
        self._check_splits(n_images)
        return {
            "source": self._parameters.source.kind,
            **{f"n_{split}": counts[split] for split in SPLITS},
            "rejected": counts["rejected"] + counts["skipped"] + counts["duplicates"],
            "duplicates": counts["duplicates"],
            "uncaptioned": counts["uncaptioned"],
            **({"class_captions": counts["class_captions"]} if counts["class_captions"] else {}),
            **({"described": counts["described"]} if counts["described"] else {}),
            "image_size": self._parameters.size,
            "digest": self._digest.hexdigest()[:32],
            "examples": sorted((example for _, example in self._examples), key=itemgetter("row")),
        }

    def _check_rejects(self, n_images: int) -> None:
        n_rejected, allowed = self._counts["rejected"], self._parameters.max_reject_share
        total = n_images + n_rejected
        if n_rejected / max(1, total) > allowed:
            raise LexipixError(
                f"{n_rejected:,} of {total:,} images ({n_rejected / total:.1%}) were rejected, but "
                f"ingestion.max_reject_share allows {allowed:.1%}. The first: {'; '.join(self._reasons)}. "
                "Fix them, or increase ingestion.max_reject_share to continue without them."
            )

    def _check_splits(self, n_images: int) -> None:
        if not n_images:
            raise LexipixError("The source has no image that can be used.")
        for split in SPLITS:
            if not self._counts[split] and split != "pairs":  # only some sources have pairs
                share = "the rest" if split == "train" else getattr(self._parameters.splits, split)
                raise LexipixError(
                    f"The split {split!r} has no images (ingestion.splits.{split} is {share}, "
                    f"the source has {n_images} images): add images or change the shares."
                )

"""Data types that all layers share: what datasets load and save, and what nodes take and return.

Heavy libraries occur in annotations only, so importing this module is cheap.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from torch import Tensor

SplitName = Literal["train", "val", "test", "judge"]
SPLITS: tuple[SplitName, ...] = ("train", "val", "test", "judge")


@dataclass(frozen=True)
class Split:
    """One split of a data set.

    Attributes:
        images: uint8 (N, H, W, 3), memory-mapped where it comes from disk.
        captions: N rows with the columns file, caption, caption_source ("given", "generated" or null),
            paraphrases, label, digest and withheld_caption (the true caption of an image whose caption was
            withheld; only the evaluation uses it).
    """

    images: np.ndarray
    captions: pd.DataFrame

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class ImageSplits:
    """The splits of a data set; only the evaluator is trained on ``judge``.

    Attributes:
        summary: JSON-able; source, counts and digest of the data, from the ingestion.
        rejects: Rejected files, with the columns file and reason.
    """

    train: Split
    val: Split
    test: Split
    judge: Split
    summary: Mapping[str, Any] = field(default_factory=dict)
    rejects: pd.DataFrame | None = None

    @property
    def digest(self) -> str:
        """Digest of the data; empty without an ingestion."""
        return str(self.summary.get("digest", ""))

    def __getitem__(self, name: str) -> Split:
        if name not in SPLITS:
            raise KeyError(name)
        split: Split = getattr(self, name)
        return split


@dataclass(frozen=True)
class SourceImage:
    """One image of a source with its caption.

    Attributes:
        file: Name of the image in its source, as shown to the user.
        image: uint8 (H, W, 3) at its final size.
        paraphrases: Other captions with the same meaning.
        split: The split, if the source decides it.
        withheld_caption: The true caption of an image that the project treats as one without caption.
        digest: Hash of the pixels, 32 hex digits; the ingestion sets it.
        caption_source: "generated" if the captioner of another run wrote the caption.
    """

    file: str
    image: np.ndarray
    caption: str | None = None
    paraphrases: tuple[str, ...] = ()
    label: str | None = None
    split: SplitName | None = None
    withheld_caption: str | None = None
    digest: str | None = None
    caption_source: Literal["given", "generated"] = "given"


@dataclass(frozen=True)
class Reject:
    """A rejected file with the reason in words."""

    file: str
    reason: str


@dataclass(frozen=True)
class OpenedSource:
    """A source whose images can be read one by one, always in the same order.

    Attributes:
        read: Yields the images of one pass. The splits that the source decides come before the training
            images, so that the test split keeps its copy of two equal images.
        splits: The splits that the source decides; the others are taken from "train" by a hash.
        n_pictures: Expected number of images, if it is known.
    """

    read: Callable[[], Generator[SourceImage | Reject, None, None]]
    splits: frozenset[SplitName] = frozenset()
    n_pictures: int | None = None


@dataclass
class ModelBundle:
    """Everything that is needed to use a trained model; on disk it is a folder.

    Attributes:
        config: JSON-able; configuration of the network.
        tokenizer: Text of ``tokenizer.json``, for a model that reads or writes text.
        card: JSON-able; data digest, parameters and metrics. Saving adds the code revision.
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]
    tokenizer: str | None = None
    card: dict[str, Any] = field(default_factory=dict)


@dataclass
class OnnxModel:
    """A model that runs without torch; on disk it is a folder like a ``ModelBundle``'s.

    Attributes:
        graphs: Contents of the ONNX files by name.
        card: JSON-able; the card of the trained model, and the differences between graphs and model.
    """

    config: dict[str, Any]
    graphs: dict[str, bytes]
    tokenizer: str | None = None
    card: dict[str, Any] = field(default_factory=dict)


BASELINE = "onnx_fp32"  # the uncompressed network among a generator's variants
SCORER = "scorer"  # the scorer among the models of a champion


@dataclass
class OnnxPipeline:
    """Exported models by name that work together; on disk one folder, with a folder in it for each model.

    ``config`` says which model does what.
    """

    config: dict[str, Any]
    models: Mapping[str, OnnxModel]
    card: dict[str, Any] = field(default_factory=dict)

    @property
    def tokenizer(self) -> str | None:
        """The first tokenizer among the models."""
        return next((model.tokenizer for model in self.models.values() if model.tokenizer), None)


@dataclass(frozen=True)
class PretrainedBackbone:
    """A backbone of transformers that returns ``feature_maps`` of its last three stages.

    Images are normalized by mean and standard deviation of red, green and blue in [0, 1].
    """

    model: Any
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class PretrainedLanguageModel:
    """A pretrained causal language model with its tokenizer.

    Attributes:
        model: A model of transformers.
        tokenizer: Text of its ``tokenizer.json``, which adds the end token and has a padding token.
        start_id: Token before the first word.
    """

    model: Any
    tokenizer: str
    start_id: int


class MetricStream:
    """Receives metrics and images while a model trains; subclasses keep them."""

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Report metrics after a number of images seen."""

    def image(self, key: str, images_seen: int, image: np.ndarray) -> None:
        """Report an image, uint8 (H, W, 3); with the same key in every run, runs can be compared."""


class NullMetricStream(MetricStream):
    """Drops everything."""


class CheckpointStore(Protocol):
    """Keeps the last checkpoint of a training, to continue after an interruption."""

    def save(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Replace the checkpoint atomically; ``meta`` is JSON-able."""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and meta of the checkpoint, or None if there is no complete one."""

    def clear(self) -> None:
        """Delete the checkpoint, after the training has finished."""

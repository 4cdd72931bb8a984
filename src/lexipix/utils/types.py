"""Plain records that cross the layers: what datasets hand to nodes and nodes hand back.

They hold arrays, tables and tensors but know nothing of files, Kedro or MLflow. Heavy libraries are named
in annotations only, so that importing this module costs next to nothing.
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
            paraphrases, label, digest and withheld_caption (the truth of a picture whose caption was held
            back; only the evaluation reads it).
    """

    images: np.ndarray
    captions: pd.DataFrame

    def __len__(self) -> int:
        return len(self.images)


@dataclass(frozen=True)
class Pictures:
    """A data set in its four splits; only the evaluator trains on ``judge``.

    Attributes:
        summary: JSON-able; source, counts and digest of the data, as the ingestion counted them.
        rejects: what was set aside, with the columns file and reason.
    """

    train: Split
    val: Split
    test: Split
    judge: Split
    summary: Mapping[str, Any] = field(default_factory=dict)
    rejects: pd.DataFrame | None = None

    @property
    def digest(self) -> str:
        """Of the data, as the ingestion counted it; empty where none was."""
        return str(self.summary.get("digest", ""))

    def __getitem__(self, name: str) -> Split:
        if name not in SPLITS:
            raise KeyError(f"split {name!r} is unknown: the splits are {', '.join(SPLITS)}")
        split: Split = getattr(self, name)
        return split


@dataclass(frozen=True)
class Picture:
    """One picture as a source gives it.

    Attributes:
        file: name of the picture inside its source, as shown to the user.
        image: uint8 (H, W, 3) at its final size.
        caption: the text, or None when the source has none.
        paraphrases: other ways to say the same.
        label: class name, where the source has classes.
        split: where the source says so, else None.
        withheld_caption: the true caption of a picture that goes through the project without one.
        digest: of the pixels, 32 hex digits; the ingestion sets it.
        caption_source: "generated" where a captioner from elsewhere wrote the caption.
    """

    file: str
    image: np.ndarray | None
    caption: str | None = None
    paraphrases: tuple[str, ...] = ()
    label: str | None = None
    split: SplitName | None = None
    withheld_caption: str | None = None
    digest: str | None = None
    caption_source: Literal["given", "generated"] = "given"


@dataclass(frozen=True)
class Reject:
    """A file that was set aside, with the reason in words."""

    file: str
    reason: str


@dataclass(frozen=True)
class OpenedSource:
    """Pictures ready to be read, one by one and always in the same order.

    Attributes:
        read: gives the pictures of one pass. The splits that the source decides come before the training
            pictures, so that of two equal pictures the test split keeps its own.
        splits: the splits that the source itself decides; the others are taken from "train" by a hash.
        n_pictures: how many to expect, where it is known.
    """

    read: Callable[[], Generator[Picture | Reject, None, None]]
    splits: frozenset[SplitName] = frozenset()
    n_pictures: int | None = None


@dataclass
class ModelBundle:
    """All that is needed to use a trained model; on disk it is a folder.

    Attributes:
        config: JSON-able; what to build the network from.
        weights: name -> tensor.
        tokenizer: text of ``tokenizer.json`` for a model that reads or writes words.
        card: JSON-able; data digest, parameters and figures. The code revision is added when it is saved.
    """

    config: dict[str, Any]
    weights: dict[str, Tensor]
    tokenizer: str | None = None
    card: dict[str, Any] = field(default_factory=dict)


@dataclass
class OnnxModel:
    """A model that runs without torch; on disk it is a folder like a ``ModelBundle``'s.

    Attributes:
        config: JSON-able; what to feed the graphs with.
        graphs: name -> ONNX file content.
        tokenizer: text of ``tokenizer.json`` for a model that reads or writes words.
        card: JSON-able; that of the trained model, and how far the graphs are from it.
    """

    config: dict[str, Any]
    graphs: dict[str, bytes]
    tokenizer: str | None = None
    card: dict[str, Any] = field(default_factory=dict)


BASELINE = "onnx_fp32"  # the uncompressed network among a generator's variants
SCORER = "scorer"  # the scorer among the models of a champion


@dataclass
class OnnxPipeline:
    """Exported models that work together; on disk one folder, with a folder in it for each model.

    Attributes:
        config: JSON-able; which model does what.
        models: name -> model.
        card: JSON-able.
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
    """An image network that somebody else has trained.

    Attributes:
        model: Gives ``feature_maps`` of its last three stages; a backbone of transformers.
        mean: Red, green and blue on [0, 1], to be subtracted from a picture,
        std: and to be divided by.
    """

    model: Any
    mean: tuple[float, float, float]
    std: tuple[float, float, float]


@dataclass(frozen=True)
class PretrainedLanguageModel:
    """A causal language model that somebody else has trained, with its tokenizer.

    Attributes:
        model: Of transformers.
        tokenizer: Text of its ``tokenizer.json``, which closes texts with EOS and knows its padding.
        start_id: Token before the first word.
        pad_id: Padding, a token of its own.
        eos_id: Token that ends a text.
    """

    model: Any
    tokenizer: str
    start_id: int
    pad_id: int
    eos_id: int


class MetricStream(Protocol):
    """What a training tells while it runs. A test passes a list-backed one, production passes MLflow."""

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Report figures at a point of the training, counted in images seen."""

    def image(self, key: str, images_seen: int, image: np.ndarray) -> None:
        """Report a picture, uint8 (H, W, 3); the same key in every run keeps runs comparable."""


class NullMetricStream:
    """A :class:`MetricStream` that drops everything."""

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        """Drop the metrics."""

    def image(self, key: str, images_seen: int, image: np.ndarray) -> None:
        """Drop the image."""


class CheckpointStore(Protocol):
    """Where a training keeps what it needs to go on after an interruption; one generation is kept."""

    def save(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Replace the kept generation atomically; ``meta`` is JSON-able."""

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Give the kept generation, or None when there is none that is whole."""

    def clear(self) -> None:
        """Forget the kept generation; done when the training has finished."""

"""Runs every node with its real networks, on few images and for few steps, and measures it."""

import time
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node

from lexipix.config.root import LexipixParameters
from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.datasets.image_store import ImageStoreDataset
from lexipix.metrics.speed import begin_peak, peak_mb
from lexipix.utils.nested import lookup
from lexipix.utils.types import SPLITS, NullMetricStream

# Model -> the section with the length of its training
TRAININGS = {
    "evaluator": "evaluation.evaluator.training",
    "classifier": "evaluation.classifier.training",
    "features": "features.training",
    "captioner": "captioner.training",
    "vae": "generator.vae.training",
    "prior": "generator.prior.training",
    "gan": "generator.gan.training",
    "image_tokenizer": "generator.tokens.tokenizer.training",
    "tokens": "generator.tokens.transformer.training",
    "small_text_encoder": "compression.small.text_encoder.training",
    "small": "compression.small.training",
    "pruned": "compression.pruned.training",
}
# Distillation -> the number of samples that its teacher computes in advance; shortened with the training
TEACHER_SAMPLES = {
    "compression.small.text_encoder": "n_captions",
    "compression.small": "n_images",
    "compression.pruned": "n_images",
}
# Node -> the splits whose images it goes through; ``uncaptioned``: those of train without a caption
COUNTED: Mapping[str, Sequence[str]] = {
    "ingest": SPLITS,
    "describe_images": SPLITS,
    "export_features": ("train", "val", "test"),
    "caption_missing": ("uncaptioned",),
    "caption_test": ("test",),
    "draw_test_images": ("test",),
    "measure_tokens": ("test",),
    "measure_images": ("test",),
    "measure_classes": ("test",),
    "measure_memorization": ("train",),
    "measure_rate": ("test",),
}
# Node -> the most images that it goes through
LIMITS = {
    "measure_classes": "evaluation.classifier.n_drawn",
    "measure_rate": "evaluation.rate.n_images",
}
# Node -> a model that is trained again within it, and the parameter that is null without this training; dry
# runs leave it out
INNER_TRAININGS = {"measure_classes": ("classifier", "evaluation.classifier.cas_drawn")}
MEASURED_SECONDS = 0.25  # of each measurement of a variant's speed
_STREAM = "_stream"


def training_section(node: Node) -> str | None:
    """The section with the length of a node's training; None for a node that trains no model."""
    models = [name.removesuffix(_STREAM) for name in node.inputs if name.endswith(_STREAM)]
    return TRAININGS[models[0]] if models else None


def shorten(
    parameters: LexipixParameters, n_steps: int, n_images: int, **training: float
) -> LexipixParameters:
    """Parameters of the same run with about ``n_images`` in each split and ``n_steps`` of each training.

    A teacher's samples are reduced in the same proportion as the training that uses them, so that a step
    keeps its share of their cost. ``training`` are other values for the parameters of every training.
    """
    tree = parameters.model_dump()
    tree["run"]["training_share"] = 1.0
    for section, samples in TEACHER_SAMPLES.items():
        group = lookup(tree, section)
        whole = lookup(parameters, section).training.shortened(parameters.run.training_share)
        share = n_steps * whole.batch_size / whole.num_images
        group[samples] = max(1, round(share * group[samples]))
    for section in TRAININGS.values():
        group = lookup(tree, section)
        group |= {"num_images": n_steps * group["batch_size"], "num_validations": 1, "patience": 0}
        group |= training
    for _, switch in INNER_TRAININGS.values():
        parent, _, key = switch.rpartition(".")
        lookup(tree, parent)[key] = None
    source = tree["ingestion"]["source"]
    source["scenes"] |= {key: n_images for key in source["scenes"] if key.startswith("n_")}
    if source["kind"] != "scenes":
        source["max_images"] = min(3 * n_images, source["max_images"] or 3 * n_images)
        tree["ingestion"]["splits"] |= {"val": 1 / 3, "test": 1 / 3}
    measurement = tree["compression"]["measurement"]
    measurement["max_seconds"] = min(MEASURED_SECONDS, measurement["max_seconds"])
    tree["evaluation"]["n_images"] = None
    return LexipixParameters.model_validate(tree)


@dataclass(frozen=True)
class DryRun:
    """Runs nodes in memory and measures them."""

    parameters: LexipixParameters  # shortened
    load: Callable[[str], Any]  # loads a dataset that no node of the run makes
    store: Path  # folder for images and checkpoints
    data: MutableMapping[str, Any]  # what nodes have returned, by dataset
    seconds: dict[str, float] = field(default_factory=dict)  # by node
    peaks: dict[str, float | None] = field(default_factory=dict)  # memory in MB by node, as in Estimate

    def run(self, node: Node) -> None:
        """Run a node on the outputs of the nodes before it."""
        inputs = {name: self._input(name) for name in node.inputs}
        has_peak = begin_peak() is not None
        start = time.perf_counter()
        outputs = node.run(inputs)
        if node.name == "ingest":  # its output is a stream, which is read when it is saved
            store = ImageStoreDataset(filepath=str(self.store))
            store.save(outputs["image_splits"])
            outputs = {"image_splits": store.load()}
        self.seconds[node.name] = time.perf_counter() - start
        self.peaks[node.name] = peak_mb() if has_peak else None
        self.data.update(outputs)

    def _input(self, name: str) -> Any:
        if name.startswith("params:"):
            return lookup(self.parameters, name.removeprefix("params:"))
        if name in self.data:
            return self.data[name]
        if name.endswith(_STREAM):
            return NullMetricStream()
        if name.endswith("_checkpoints"):
            return FileCheckpoints(self.store.with_name(f"{self.store.name}_{name}"))
        return self.load(name)

"""Every node of a run with the real networks, on few pictures and few steps."""

import time
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node

from lexipix.config.root import LexipixParameters
from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.datasets.image_store import PictureStoreDataset
from lexipix.metrics.speed import begin_peak, peak_mb
from lexipix.utils.types import SPLITS

# Node -> the section that says how long it trains
TRAININGS = {
    "train_evaluator": "evaluation.evaluator.training",
    "train_classifier": "evaluation.classifier.training",
    "train_features": "features.training",
    "train_captioner": "captioner.training",
    "train_vae": "generator.vae.training",
    "train_prior": "generator.prior.training",
    "train_gan": "generator.gan.training",
    "train_image_tokenizer": "generator.tokens.tokenizer.training",
    "train_token_generator": "generator.tokens.transformer.training",
    "distill_reader": "compression.small.reader.training",
    "distill_small": "compression.small.training",
    "distill_pruned": "compression.pruned.training",
}
# What a teacher prepares for such a training; shortened with it
LESSONS = {
    "compression.small.reader": "n_captions",
    "compression.small": "n_pictures",
    "compression.pruned": "n_pictures",
}
# Node -> the splits it goes through, or pictures of train without a caption
COUNTED = {
    "ingest": SPLITS,
    "describe_pictures": SPLITS,
    "export_features": ("train", "val", "test"),
    "caption_missing": ("uncaptioned",),
    "caption_test": ("test",),
    "redraw": ("test",),
    "measure_words": ("test",),
    "measure": ("test",),
    "judge_classes": ("test",),
    "find_neighbours": ("train",),
}
# Node -> images that each training within it sees, and how it is trained; its time grows with them
WITHIN = {"judge_classes": ("evaluation.classifier.cas_images", "evaluation.classifier.training")}


def shortened(
    parameters: LexipixParameters, n_steps: int, n_pictures: int, **training: float
) -> LexipixParameters:
    """The same run with so many steps of each training and about so many pictures in each split.

    Lessons that a teacher prepares are fewer in the same proportion, so that a step has its share of them.
    Other parameters of every training may be given.
    """
    changed = parameters.model_dump()
    for section, lessons in LESSONS.items():
        place = at(changed, section)
        whole = place["training"]
        share = n_steps * whole["batch_size"] / whole["num_images"]
        place[lessons] = max(1, round(share * place[lessons]))
    for section in TRAININGS.values():
        place = at(changed, section)
        place |= {
            "num_images": n_steps * place["batch_size"],
            "num_validations": 1,
            "patience": 0,
            **training,
        }
    for images, section in WITHIN.values():
        group, _, key = images.rpartition(".")
        if at(changed, images) is not None:
            at(changed, group)[key] = n_steps * at(changed, section)["batch_size"]
    source = changed["ingestion"]["source"]
    source["scenes"] |= {f"n_{split}": n_pictures for split in SPLITS}
    if source["kind"] != "scenes":
        source["max_pictures"] = min(4 * n_pictures, source["max_pictures"] or 4 * n_pictures)
    changed["evaluation"]["n_images"] = None
    changed["evaluation"]["classifier"]["cas_drawn"] = None
    return LexipixParameters.model_validate(changed)


class _Nothing:
    """Takes a training's reports and keeps none."""

    def log(self, images_seen: int, values: Mapping[str, float]) -> None: ...

    def image(self, key: str, images_seen: int, image: Any) -> None: ...


class Rehearsal:
    """Runs nodes in memory and takes their time.

    Args:
        parameters: Of the run, shortened.
        load: Gives a dataset that nothing of the run makes.
        store: Where pictures and checkpoints are written.
        data: What nodes made before; what these make is kept apart from it.
    """

    def __init__(
        self,
        parameters: LexipixParameters,
        load: Callable[[str], Any],
        store: Path,
        data: MutableMapping[str, Any],
    ) -> None:
        self.parameters, self._load, self._store = parameters, load, store
        self.data: MutableMapping[str, Any] = ChainMap({}, data)
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, float | None] = {}

    def play(self, node: Node) -> None:
        """Run a node on what the nodes before it made."""
        inputs = {name: self._input(name) for name in node.inputs}
        told = begin_peak() is not None
        start = time.perf_counter()
        outputs = node.run(inputs)
        if node.name == "ingest":  # which only begins when its pictures are asked for
            store = PictureStoreDataset(filepath=str(self._store))
            store.save(outputs["pictures"])
            outputs = {"pictures": store.load()}
        self.seconds[node.name] = time.perf_counter() - start
        self.peaks[node.name] = peak_mb() if told else None
        self.data.update(outputs)

    def _input(self, name: str) -> Any:
        if name.startswith("params:"):
            value: Any = self.parameters
            for part in name.removeprefix("params:").split("."):
                value = getattr(value, part)
            return value
        if name in self.data:
            return self.data[name]
        if name.endswith("_stream"):
            return _Nothing()
        if name.endswith("_checkpoints"):
            return FileCheckpoints(self._store.with_name(f"{self._store.name}_{name}"))
        return self._load(name)


def at(tree: Any, key: str) -> Any:
    """What a dotted key leads to, in dicts and objects."""
    for part in key.split("."):
        tree = tree[part] if isinstance(tree, dict) else getattr(tree, part)
    return tree

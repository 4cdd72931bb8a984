"""How long a run will take: every stage is rehearsed with the real networks on few pictures and few steps.

Two rehearsals of different length tell what grows and what does not. Trainings grow with their images,
reading and writing pictures with their number; exports and the measuring of forms take what they take.
"""

import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node

from lexipix.config.root import LexipixParameters
from lexipix.datasets.picture_store import PictureStoreDataset
from lexipix.metrics.speed import peak_memory_mb
from lexipix.pipeline_registry import DEFAULT, register_pipelines
from lexipix.quiet import quiet
from lexipix.records import SPLITS, ModelBundle
from lexipix.training.data import N_VALIDATION

FEW_STEPS, MORE_STEPS = 6, 20
FEW_PICTURES, MORE_PICTURES = 200, 600

# Node -> the section that says how long it trains
TRAININGS = {
    "train_evaluator": "evaluation.evaluator.training",
    "train_features": "features.training",
    "train_captioner": "captioner.training",
    "train_vae": "generator.vae.training",
    "train_prior": "generator.prior.training",
    "train_gan": "generator.gan.training",
    "teach_reader": "compression.small.reader.training",
    "teach_small": "compression.small.training",
    "teach_pruned": "compression.pruned.training",
}
# Node -> the splits it goes through, or pictures of train without a caption
COUNTED = {
    "ingest": SPLITS,
    "describe_pictures": SPLITS,
    "export_features": ("train", "val", "test"),
    "caption_missing": ("uncaptioned",),
    "caption_test": ("test",),
    "redraw": ("test",),
    "measure": ("test",),
}


@dataclass(frozen=True)
class Estimate:
    """What a node will take.

    Attributes:
        node: Its name.
        seconds: Expected.
        tflop: Arithmetic in all, 10^12 multiplications and additions counted apart; 0 where none is counted.
        gflops: What the machine makes of it, 10^9 a second.
        peak_mb: Memory it asked for beyond what was held, where the system tells; little of it grows.
    """

    node: str
    seconds: float
    tflop: float = 0.0
    gflops: float = 0.0
    peak_mb: float | None = None


def estimate(
    parameters: LexipixParameters,
    load: Callable[[str], Any],
    counts: Mapping[str, int],
    tell: Callable[[str, int, int], None] = lambda *_: None,
) -> list[Estimate]:
    """Rehearse the default pipeline and say what each of its nodes will take.

    Args:
        parameters: Of the run to come.
        load: Gives a dataset that nothing of the run makes (sources, pretrained models).
        counts: Pictures of each split in the run to come, and ``uncaptioned`` ones in train.
        tell: Called with a node's name, its number and how many there are.
    """
    nodes = register_pipelines()[DEFAULT].nodes
    again = [node for node in nodes if node.name in {*TRAININGS, *COUNTED}]
    n_nodes = len(nodes) + len(again)
    with tempfile.TemporaryDirectory() as folder, quiet("lexipix"):
        long = _Rehearsal(shortened(parameters, MORE_STEPS, MORE_PICTURES), load, Path(folder) / "more", {})
        for number, node in enumerate(nodes):
            tell(node.name, number, n_nodes)
            long.play(node)
        short = _Rehearsal(
            shortened(parameters, FEW_STEPS, FEW_PICTURES), load, Path(folder) / "few", long.data
        )
        for number, node in enumerate(again, len(nodes)):
            tell(node.name, number, n_nodes)
            short.play(node)
        return [_expected(node, parameters, counts, short, long) for node in nodes]


def shortened(parameters: LexipixParameters, n_steps: int, n_pictures: int) -> LexipixParameters:
    """The same run with so many steps of each training and about so many pictures in each split."""
    changed = parameters.model_dump()
    for section in TRAININGS.values():
        place = _at(changed, section)
        place |= {"images": n_steps * place["batch_size"], "reports": 1, "patience": 0}
    source = changed["ingestion"]["source"]
    source["scenes"] |= {f"n_{split}": n_pictures for split in SPLITS}
    if source["kind"] != "scenes":
        source["max_pictures"] = min(4 * n_pictures, source["max_pictures"] or 4 * n_pictures)
    changed["evaluation"]["n_images"] = None
    return LexipixParameters.model_validate(changed)


class _Nothing:
    """Takes a training's reports and checkpoints and keeps none."""

    def log(self, images_seen: int, values: Mapping[str, float]) -> None: ...

    def image(self, key: str, images_seen: int, image: Any) -> None: ...

    def save(self, tensors: Any, meta: Any) -> None: ...

    def load(self) -> None:
        return None

    def clear(self) -> None: ...


class _Rehearsal:
    """Runs nodes in memory and takes their time."""

    def __init__(
        self, parameters: LexipixParameters, load: Callable[[str], Any], store: Path, data: Mapping[str, Any]
    ) -> None:
        self.parameters, self._load, self._store = parameters, load, store
        self.data: dict[str, Any] = dict(data)
        self.seconds: dict[str, float] = {}
        self.peaks: dict[str, float | None] = {}

    def play(self, node: Node) -> None:
        inputs = {name: self._input(name) for name in node.inputs}
        start = 0.0

        def run() -> None:
            nonlocal start
            start = time.perf_counter()
            outputs = node.run(inputs)
            if node.name == "ingest":  # which only begins when its pictures are asked for
                store = PictureStoreDataset(filepath=str(self._store))
                store.save(outputs["pictures"])
                outputs = {"pictures": store.load()}
            self.seconds[node.name] = time.perf_counter() - start
            self.data.update(outputs)

        self.peaks[node.name] = peak_memory_mb(run)
        if node.name not in self.seconds:  # where the system tells no peak nothing was run
            run()

    def _input(self, name: str) -> Any:
        if name.startswith("params:"):
            value: Any = self.parameters
            for part in name.removeprefix("params:").split("."):
                value = getattr(value, part)
            return value
        if name in self.data:
            return self.data[name]
        if name.endswith(("_stream", "_checkpoints")):
            return _Nothing()
        if name == "machine_choices":
            self.data[name] = {}
            return self.data[name]
        return self._load(name)


def _expected(
    node: Node,
    parameters: LexipixParameters,
    counts: Mapping[str, int],
    short: _Rehearsal,
    long: _Rehearsal,
) -> Estimate:
    name, peak = node.name, long.peaks[node.name]
    if name in TRAININGS and len(_curves(node, long)):
        return _training(node, parameters, counts, short, long, peak)
    if name not in COUNTED:
        return Estimate(name, long.seconds[name], peak_mb=peak)
    few, more, wanted = (_amount(name, one) for one in (_counts(short), _counts(long), counts))
    if more <= few:
        return Estimate(name, long.seconds[name], peak_mb=peak)
    each = max(0.0, (long.seconds[name] - short.seconds[name]) / (more - few))
    return Estimate(name, long.seconds[name] + each * (wanted - more), peak_mb=peak)


def _counts(rehearsal: _Rehearsal) -> dict[str, int]:
    pictures = rehearsal.data["pictures"]
    uncaptioned = int(pictures.train.captions["caption"].isna().sum())
    return {**{split: len(pictures[split]) for split in SPLITS}, "uncaptioned": uncaptioned}


def _amount(name: str, counts: Mapping[str, int]) -> int:
    """Pictures that a node goes through."""
    return sum(counts[part] for part in COUNTED[name])


def _curves(node: Node, rehearsal: _Rehearsal) -> Any:
    """Of a training; without rows where no form of a smaller network is asked for, and nothing was taught."""
    return rehearsal.data[next(output for output in node.outputs if output.endswith("_curves"))]


def _training(
    node: Node,
    parameters: LexipixParameters,
    counts: Mapping[str, int],
    short: _Rehearsal,
    long: _Rehearsal,
    peak: float | None,
) -> Estimate:
    """Steps as the difference of the rehearsals has it, and as many validations as there are reports."""
    name = node.name
    training = _at(parameters, TRAININGS[name])
    seconds = (long.seconds[name] - short.seconds[name]) / (MORE_STEPS - FEW_STEPS)
    curves = _curves(node, long)
    validation = max(0.0, float(curves["seconds"].iloc[0]) - MORE_STEPS * seconds)
    setup = max(0.0, long.seconds[name] - MORE_STEPS * seconds - validation)
    n_validated = len(long.data["pictures"].val)
    validation *= min(N_VALIDATION, counts["val"]) / max(1, min(N_VALIDATION, n_validated))
    n_steps = -(-training.images // training.batch_size)
    bundle = next(value for value in map(long.data.get, node.outputs) if isinstance(value, ModelBundle))
    figures = bundle.card["figures"]
    tflop = figures["mflop_per_image"] * n_steps * training.batch_size / 1e6
    expected = setup + n_steps * seconds + training.reports * validation
    return Estimate(name, expected, tflop, 1e3 * tflop / max(n_steps * seconds, 1e-9), peak)


def _at(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree[part] if isinstance(tree, dict) else getattr(tree, part)
    return tree

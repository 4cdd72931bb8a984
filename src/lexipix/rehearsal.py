"""How long a run will take: every stage is rehearsed with the real networks on few pictures and few steps.

The first time tells what does not grow: exports and the measuring of forms take what they take, and
everything is slower once than it is from then on. Two more of different length tell what grows: trainings
with their images, reading and writing pictures with their number. Memory is the first's, with checkpoints
written on the way as they are in a run, and beside it what a run has more of: pictures, which stay in memory
when they have been read from their file, and lessons.
"""

import tempfile
import time
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node

from lexipix.config.root import LexipixParameters
from lexipix.datasets.checkpoints import FileCheckpoints
from lexipix.datasets.picture_store import PictureStoreDataset
from lexipix.metrics.speed import begin_peak, peak_mb
from lexipix.pipeline_registry import DEFAULT, register_pipelines
from lexipix.quiet import quiet
from lexipix.records import SPLITS, ModelBundle
from lexipix.training.data import N_VALIDATION

FEW_STEPS, MORE_STEPS = 6, 30
FEW_PICTURES, MORE_PICTURES = 200, 600
CHECKPOINT_SECONDS = 0.5  # in the first rehearsal, so that there is one or two in each training
MEGA = 1e6

# Node -> the section that says how long it trains
TRAININGS = {
    "train_evaluator": "evaluation.evaluator.training",
    "train_classifier": "evaluation.classifier.training",
    "train_features": "features.training",
    "train_captioner": "captioner.training",
    "train_vae": "generator.vae.training",
    "train_prior": "generator.prior.training",
    "train_gan": "generator.gan.training",
    "train_visual_words": "generator.words.tokenizer.training",
    "train_words": "generator.words.writer.training",
    "teach_reader": "compression.small.reader.training",
    "teach_small": "compression.small.training",
    "teach_pruned": "compression.pruned.training",
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


@dataclass(frozen=True)
class Estimate:
    """What a node will take.

    Attributes:
        node: Its name.
        seconds: Expected.
        tflop: Arithmetic in all, 10^12 multiplications and additions counted apart; 0 where none is counted.
        gflops: What the machine makes of it, 10^9 a second.
        peak_mb: The process's resident memory at its highest meanwhile, in MB (10^6 bytes), where the system
            tells.
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
    trainings = [node for node in nodes if node.name in {*TRAININGS, *WITHIN}]
    counted = [node for node in nodes if node.name in COUNTED]
    with tempfile.TemporaryDirectory() as folder, quiet("lexipix", "kedro.pipeline.node"):

        def rehearsal(
            name: str, n_steps: int, n_pictures: int, data: MutableMapping[str, Any], **training: float
        ) -> _Rehearsal:
            short = shortened(parameters, n_steps, n_pictures, **training)
            return _Rehearsal(short, load, Path(folder, name), data)

        first = rehearsal("first", FEW_STEPS, MORE_PICTURES, {}, checkpoint_seconds=CHECKPOINT_SECONDS)
        plan = [(first, node) for node in nodes]
        steps = [rehearsal(f"{n} steps", n, MORE_PICTURES, first.data) for n in (FEW_STEPS, MORE_STEPS)]
        plan += [(one, node) for one in steps for node in trainings]
        numbers = [
            rehearsal(f"{n} pictures", FEW_STEPS, n, first.data) for n in (FEW_PICTURES, MORE_PICTURES)
        ]
        plan += [(one, node) for one in numbers for node in counted]
        for number, (one, node) in enumerate(plan):
            tell(node.name, number, len(plan))
            one.play(node)
        return [_expected(node, parameters, counts, first, steps, numbers) for node in nodes]


def shortened(
    parameters: LexipixParameters, n_steps: int, n_pictures: int, **training: float
) -> LexipixParameters:
    """The same run with so many steps of each training and about so many pictures in each split.

    Lessons that a teacher prepares are fewer in the same proportion, so that a step has its share of them.
    Other parameters of every training may be given.
    """
    changed = parameters.model_dump()
    for section, lessons in LESSONS.items():
        place = _at(changed, section)
        whole = place["training"]
        share = n_steps * whole["batch_size"] / whole["images"]
        place[lessons] = max(1, round(share * place[lessons]))
    for section in TRAININGS.values():
        place = _at(changed, section)
        place |= {"images": n_steps * place["batch_size"], "reports": 1, "patience": 0, **training}
    for images, section in WITHIN.values():
        group, _, key = images.rpartition(".")
        if _at(changed, images) is not None:
            _at(changed, group)[key] = n_steps * _at(changed, section)["batch_size"]
    source = changed["ingestion"]["source"]
    source["scenes"] |= {f"n_{split}": n_pictures for split in SPLITS}
    if source["kind"] != "scenes":
        source["max_pictures"] = min(4 * n_pictures, source["max_pictures"] or 4 * n_pictures)
    changed["evaluation"]["n_images"] = None
    return LexipixParameters.model_validate(changed)


class _Nothing:
    """Takes a training's reports and keeps none."""

    def log(self, images_seen: int, values: Mapping[str, float]) -> None: ...

    def image(self, key: str, images_seen: int, image: Any) -> None: ...


class _Rehearsal:
    """Runs nodes in memory and takes their time."""

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
        if name == "machine_choices":
            self.data[name] = {}
            return self.data[name]
        return self._load(name)


def _expected(
    node: Node,
    parameters: LexipixParameters,
    counts: Mapping[str, int],
    first: _Rehearsal,
    steps: Sequence[_Rehearsal],
    numbers: Sequence[_Rehearsal],
) -> Estimate:
    name = node.name
    seconds, peak = first.seconds[name], _peak(name, parameters, counts, first, steps)
    if name in TRAININGS and len(_curves(node, first)):
        return _training(node, parameters, counts, first, steps, peak)
    if name in COUNTED:
        few, more, wanted = (_amount(name, one) for one in (*map(_counts, numbers), counts))
        if more > few:
            each = (numbers[1].seconds[name] - numbers[0].seconds[name]) / (more - few)
            seconds += max(0.0, each) * (wanted - _amount(name, _counts(first)))
    if name in WITHIN and (images := _at(parameters, WITHIN[name][0])) is not None:
        each = (steps[1].seconds[name] - steps[0].seconds[name]) / (MORE_STEPS - FEW_STEPS)
        seconds += max(0.0, each) * (images / _at(parameters, WITHIN[name][1]).batch_size - FEW_STEPS)
    return Estimate(name, max(0.0, seconds), peak_mb=peak)  # a neighbour may have slowed the shorter one


def _peak(
    name: str,
    parameters: LexipixParameters,
    counts: Mapping[str, int],
    first: _Rehearsal,
    steps: Sequence[_Rehearsal],
) -> float | None:
    """The first rehearsal's peak, and what a run has more of than it."""
    peak = first.peaks[name]
    if peak is None or name == "ingest":
        return peak
    rehearsed = _counts(first)
    n_more = max(0, sum(counts[split] - rehearsed[split] for split in SPLITS))
    section = TRAININGS.get(name, "").removesuffix(".training")
    lessons = LESSONS.get(section)
    if lessons == "n_pictures":
        n_more += int(getattr(_at(parameters, section), lessons))
    elif lessons is not None:  # numbers for each word of a caption: how many, the rehearsals tell
        few, more = (one.peaks[name] or 0.0 for one in steps)
        training = _at(parameters, section).training
        n_steps = training.images / training.batch_size
        peak += max(0.0, more - few) / (MORE_STEPS - FEW_STEPS) * max(0.0, n_steps - FEW_STEPS)
    return peak + n_more * parameters.ingestion.image_size**2 * 3 / MEGA


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
    first: _Rehearsal,
    steps: Sequence[_Rehearsal],
    peak: float | None,
) -> Estimate:
    """Steps as the difference of two rehearsals has it, and as many validations as there are reports.

    A step has its share of the lessons in it, so that the rate of arithmetic does too.
    """
    name = node.name
    training = _at(parameters, TRAININGS[name])
    few, more = steps
    seconds = max(0.0, more.seconds[name] - few.seconds[name]) / (MORE_STEPS - FEW_STEPS)
    validation = max(0.0, float(_curves(node, few)["seconds"].iloc[0]) - FEW_STEPS * seconds)
    setup = max(0.0, first.seconds[name] - FEW_STEPS * seconds - validation)
    n_validated = len(first.data["pictures"].val)
    validation *= min(N_VALIDATION, counts["val"]) / max(1, min(N_VALIDATION, n_validated))
    n_steps = -(-training.images // training.batch_size)
    bundle = next(value for value in map(first.data.get, node.outputs) if isinstance(value, ModelBundle))
    figures = bundle.card["figures"]
    tflop = figures["mflop_per_image"] * n_steps * training.batch_size / MEGA
    expected = setup + n_steps * seconds + training.reports * validation
    return Estimate(name, expected, tflop, 1e3 * tflop / max(n_steps * seconds, 1e-9), peak)


def _at(tree: Any, key: str) -> Any:
    for part in key.split("."):
        tree = tree[part] if isinstance(tree, dict) else getattr(tree, part)
    return tree

"""How long a run will take: every stage is rehearsed with the real networks on few pictures and few steps.

The first time tells what does not grow: exports and the measuring of forms take what they take, and
everything is slower once than it is from then on. Two more of different length tell what grows: trainings
with their images, reading and writing pictures with their number. Memory is the first's, with checkpoints
written on the way as they are in a run, and beside it what a run has more of: pictures, which stay in memory
when they have been read from their file, and lessons.
"""

import tempfile
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.pipeline.node import Node

from lexipix.config.root import LexipixParameters
from lexipix.data.images import N_VALIDATION
from lexipix.pipeline_registry import DEFAULT, register_pipelines
from lexipix.repro.dry_run import COUNTED, LESSONS, TRAININGS, WITHIN, Rehearsal, at, shortened
from lexipix.utils.logging import quiet
from lexipix.utils.types import SPLITS, ModelBundle

FEW_STEPS, MORE_STEPS = 6, 30
FEW_PICTURES, MORE_PICTURES = 200, 600
CHECKPOINT_SECONDS = 0.5  # in the first rehearsal, so that there is one or two in each training
MEGA = 1e6


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
        ) -> Rehearsal:
            short = shortened(parameters, n_steps, n_pictures, **training)
            return Rehearsal(short, load, Path(folder, name), data)

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


def _expected(
    node: Node,
    parameters: LexipixParameters,
    counts: Mapping[str, int],
    first: Rehearsal,
    steps: Sequence[Rehearsal],
    numbers: Sequence[Rehearsal],
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
    if name in WITHIN and (images := at(parameters, WITHIN[name][0])) is not None:
        each = (steps[1].seconds[name] - steps[0].seconds[name]) / (MORE_STEPS - FEW_STEPS)
        seconds += max(0.0, each) * (images / at(parameters, WITHIN[name][1]).batch_size - FEW_STEPS)
    return Estimate(name, max(0.0, seconds), peak_mb=peak)  # a neighbour may have slowed the shorter one


def _peak(
    name: str,
    parameters: LexipixParameters,
    counts: Mapping[str, int],
    first: Rehearsal,
    steps: Sequence[Rehearsal],
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
        n_more += int(getattr(at(parameters, section), lessons))
    elif lessons is not None:  # numbers for each word of a caption: how many, the rehearsals tell
        few, more = (one.peaks[name] or 0.0 for one in steps)
        training = at(parameters, section).training
        n_steps = training.num_images / training.batch_size
        peak += max(0.0, more - few) / (MORE_STEPS - FEW_STEPS) * max(0.0, n_steps - FEW_STEPS)
    return peak + n_more * parameters.ingestion.image_size**2 * 3 / MEGA


def _counts(rehearsal: Rehearsal) -> dict[str, int]:
    pictures = rehearsal.data["pictures"]
    uncaptioned = int(pictures.train.captions["caption"].isna().sum())
    return {**{split: len(pictures[split]) for split in SPLITS}, "uncaptioned": uncaptioned}


def _amount(name: str, counts: Mapping[str, int]) -> int:
    """Pictures that a node goes through."""
    return sum(counts[part] for part in COUNTED[name])


def _curves(node: Node, rehearsal: Rehearsal) -> Any:
    """Of a training; without rows where no form of a smaller network is asked for, and nothing was taught."""
    return rehearsal.data[next(output for output in node.outputs if output.endswith("_curves"))]


def _training(
    node: Node,
    parameters: LexipixParameters,
    counts: Mapping[str, int],
    first: Rehearsal,
    steps: Sequence[Rehearsal],
    peak: float | None,
) -> Estimate:
    """Steps as the difference of two rehearsals has it, and as many validations as there are reports.

    A step has its share of the lessons in it, so that the rate of arithmetic does too.
    """
    name = node.name
    training = at(parameters, TRAININGS[name])
    few, more = steps
    seconds = max(0.0, more.seconds[name] - few.seconds[name]) / (MORE_STEPS - FEW_STEPS)
    validation = max(0.0, float(_curves(node, few)["seconds"].iloc[0]) - FEW_STEPS * seconds)
    setup = max(0.0, first.seconds[name] - FEW_STEPS * seconds - validation)
    n_validated = len(first.data["pictures"].val)
    validation *= min(N_VALIDATION, counts["val"]) / max(1, min(N_VALIDATION, n_validated))
    n_steps = -(-training.num_images // training.batch_size)
    bundle = next(value for value in map(first.data.get, node.outputs) if isinstance(value, ModelBundle))
    figures = bundle.card["figures"]
    tflop = figures["mflop_per_image"] * n_steps * training.batch_size / MEGA
    expected = setup + n_steps * seconds + training.num_validations * validation
    return Estimate(name, expected, tflop, 1e3 * tflop / max(n_steps * seconds, 1e-9), peak)

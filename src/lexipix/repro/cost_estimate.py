"""Estimates the time and memory of a run from dry runs with its real networks.

The first one gives what does not grow with the data, such as exports, and the time of a training's step and
of its validation, which each training measures itself. Nodes that go through images run twice again, the
second time with more images, which gives the time of one; trainings with a teacher likewise with more steps.
"""

import tempfile
from collections import ChainMap
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from kedro.pipeline.node import Node

from lexipix.config.root import LexipixParameters
from lexipix.config.training import TrainingParameters
from lexipix.data.images import N_VALIDATION
from lexipix.repro.dry_run import (
    COUNTED,
    INNER_TRAININGS,
    LIMITS,
    TEACHER_SAMPLES,
    TRAININGS,
    DryRun,
    shorten,
    training_section,
)
from lexipix.utils.logging import suppress_logs
from lexipix.utils.nested import lookup
from lexipix.utils.types import SPLITS, training_metrics

STEPS, MORE_STEPS = 3, 12
FEW_IMAGES, MORE_IMAGES = 100, 200
CHECKPOINT_SECONDS = 0.01  # in the first dry run, so that each training writes some
MEGA = 1e6


@dataclass(frozen=True)
class Estimate:
    """The expected cost of a node."""

    node: str
    seconds: float
    tflop: float = 0.0  # arithmetic operations, in 10^12; 0 where they are not counted
    gflops: float = 0.0  # rate of arithmetic, in 10^9 operations per second
    parameter: str | None = None  # the key that shortens it most
    peak_mb: float | None = None  # resident memory, in 10^6 bytes; None where the system does not report it


def estimate(
    nodes: Sequence[Node],
    parameters: LexipixParameters,
    load: Callable[[str], Any],
    counts: Mapping[str, int],
    report: Callable[[str, int, int], None],
) -> list[Estimate]:
    """Run the nodes, in their order, for few steps on few images, and extrapolate to the whole run.

    ``load`` loads a dataset that no node makes (sources, pretrained models). ``counts`` are the images of
    each split in the whole run, and the ``uncaptioned`` ones of train. ``report`` is called before each node
    with its name, its number and the number of all.
    """
    with tempfile.TemporaryDirectory() as folder, suppress_logs("lexipix", "kedro.pipeline.node"):

        def dry_run(
            name: str, n_steps: int, n_images: int, data: MutableMapping[str, Any], **training: float
        ) -> DryRun:
            short = shorten(parameters, n_steps, n_images, **training)
            return DryRun(short, load, Path(folder, name), ChainMap({}, data))

        first = dry_run("first", STEPS, FEW_IMAGES, {}, checkpoint_seconds=CHECKPOINT_SECONDS)
        second = dry_run("second", STEPS, FEW_IMAGES, first.data)
        more_steps = dry_run("more steps", MORE_STEPS, FEW_IMAGES, first.data)
        more_images = dry_run("more images", STEPS, MORE_IMAGES, first.data)
        plan = [(first, node) for node in nodes]
        for node in nodes:
            if node.name in COUNTED:
                plan += [(second, node), (more_images, node)]
            if _teacher_samples(node):
                plan += [(second, node), (more_steps, node)]
        for number, (one, node) in enumerate(plan):
            report(node.name, number, len(plan))
            one.run(node)
        extrapolation = Extrapolation(parameters, counts, first, second, more_steps, more_images)
        return [extrapolation.estimate(node) for node in nodes]


@dataclass(frozen=True)
class Extrapolation:
    """From the dry runs to the whole run, whose parameters and numbers of images are given."""

    parameters: LexipixParameters
    counts: Mapping[str, int]
    first: DryRun
    second: DryRun
    more_steps: DryRun
    more_images: DryRun

    def estimate(self, node: Node) -> Estimate:
        """The cost of a node in the whole run."""
        name, section = node.name, training_section(node)
        if section is not None and (metrics := self._metrics(node)):
            return self._training(node, section, metrics)
        seconds, key = self.first.seconds[name], None
        if name in COUNTED:
            few, more = (self._amount(name, _counts(one)) for one in (self.second, self.more_images))
            if more > few:
                each = (self.more_images.seconds[name] - self.second.seconds[name]) / (more - few)
                n_added = self._amount(name, self.counts) - self._amount(name, _counts(self.first))
                seconds += max(0.0, each) * n_added
        if name in INNER_TRAININGS:
            model, switch = INNER_TRAININGS[name]
            metrics = self.first.data[model].card.get("metrics")
            if lookup(self.parameters, switch) is not None and metrics:
                section = TRAININGS[model]
                seconds += self._whole(section).num_images * _seconds_per_image(metrics)
                key = f"{section}.num_images"
        return Estimate(name, max(0.0, seconds), parameter=key, peak_mb=self.peak_mb(node))

    def peak_mb(self, node: Node) -> float | None:
        """The peak of memory: that of the first dry run, plus the images and a teacher's samples."""
        peak = self.first.peaks[node.name]
        if peak is None or node.name == "ingest":
            return peak
        measured = _counts(self.first)
        n_images = max(0, sum(self.counts[split] - measured[split] for split in SPLITS))
        section, samples = (training_section(node) or "").removesuffix(".training"), _teacher_samples(node)
        if samples == "n_images":
            n_images += int(getattr(lookup(self.parameters, section), samples))
        elif samples is not None:  # captions: how much memory each takes, only the dry runs show
            few, more = (one.peaks[node.name] or 0.0 for one in (self.second, self.more_steps))
            n_added = max(0, self._n_steps(f"{section}.training") - STEPS)
            peak += max(0.0, more - few) / (MORE_STEPS - STEPS) * n_added
        image_bytes = int(np.prod(self.first.data["image_splits"].train.images.shape[1:]))
        return peak + n_images * image_bytes / MEGA

    def _training(self, node: Node, section: str, metrics: Mapping[str, Any]) -> Estimate:
        """The cost of a training: set-up, its steps and its teacher's samples, and its validations."""
        name, training, n_steps = node.name, self._whole(section), self._n_steps(section)
        step = training.batch_size * _seconds_per_image(metrics)
        arithmetic = n_steps * step
        if _teacher_samples(node):
            few, more = (one.seconds[name] for one in (self.second, self.more_steps))
            step = max(step, (more - few) / (MORE_STEPS - STEPS))
        validation = metrics["validation_seconds"]
        setup = max(0.0, self.first.seconds[name] - STEPS * step - validation)
        n_validated = len(self.first.data["image_splits"].val)
        validation *= min(N_VALIDATION, self.counts["val"]) / max(1, min(N_VALIDATION, n_validated))
        tflop = metrics["mflop_per_image"] * n_steps * training.batch_size / MEGA
        return Estimate(
            name,
            setup + n_steps * step + training.num_validations * validation,
            tflop,
            1e3 * tflop / max(arithmetic, 1e-9),
            f"{section}.num_images",
            self.peak_mb(node),
        )

    def _amount(self, name: str, counts: Mapping[str, int]) -> int:
        """The number of images that a node goes through."""
        amount = sum(counts[part] for part in COUNTED[name])
        return min(amount, lookup(self.parameters, LIMITS[name]) or 0) if name in LIMITS else amount

    def _n_steps(self, section: str) -> int:
        training = self._whole(section)
        return -(-training.num_images // training.batch_size)

    def _whole(self, section: str) -> TrainingParameters:
        """The training with this section as the run does it."""
        training: TrainingParameters = lookup(self.parameters, section)
        return training.shortened(self.parameters.run.training_share)

    def _metrics(self, node: Node) -> Mapping[str, Any]:
        """What a node's short training measured; empty if the run leaves it out."""
        return training_metrics({output: self.first.data.get(output) for output in node.outputs})


def _counts(dry_run: DryRun) -> dict[str, int]:
    image_splits = dry_run.data["image_splits"]
    uncaptioned = int(image_splits.train.captions["caption"].isna().sum())
    return {**{split: len(image_splits[split]) for split in SPLITS}, "uncaptioned": uncaptioned}


def _seconds_per_image(metrics: Mapping[str, Any]) -> float:
    """The time of a training's steps, over the images that they saw."""
    return float(metrics["planned_seconds"] / metrics["images_seen"])


def _teacher_samples(node: Node) -> str | None:
    """The parameter with the number of samples that the teacher of a node's training computes, if any."""
    return TEACHER_SAMPLES.get((training_section(node) or "").removesuffix(".training"))

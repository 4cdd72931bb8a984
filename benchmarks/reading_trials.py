"""The trainings behind benchmarks/language_model.py: one for each arm, stage and seed, and their rates."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from readers import (
    ARMS,
    Arm,
    Beside,
    Reader,
    ReadingModel,
    ReadingPrior,
    SentenceVector,
    ToldPriorTask,
    grouped,
)
from trials import Silent

from lexipix.cli.project_context import ProjectContext
from lexipix.config.run import RunParameters
from lexipix.config.training import SharedTrainingParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.data.images import N_VALIDATION, ImageRows, to_uint8
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.discriminator import Discriminator
from lexipix.models.vae import VAE
from lexipix.scenes.truth import SceneTruth
from lexipix.training.builders.common import captions_for
from lexipix.training.bundles import load_network
from lexipix.training.loop import train
from lexipix.training.precision import Precision, resolve_device
from lexipix.training.tasks.base import Task
from lexipix.training.tasks.gan import GANTask
from lexipix.training.tasks.prior import PriorTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import Split

LEARNING_SHARE = 0.25  # of the prior's rate, for a language model that was trained before and learns along
GAN_RATE = 1e-3  # of a generator from random weights; the product's continues from a trained prior
N_SOLVED = 4_096  # captions and pictures from which a caption's vector is solved
RATE_STEPS, RATE_ROUNDS = 12, 3


@dataclass(frozen=True)
class Setting:
    """What makes two trainings the same but for arm and seed; a result of another setting is made anew.

    Attributes:
        digest: Of the pictures.
        stage: ``prior`` or ``gan``.
        images: Length of the schedule.
        every: Pictures between two reports.
        shown: Captions drawn at each.
        target: Attribute accuracy that ends a training.
        batch: Pictures in a step.
        precision: Of all arms.
        width: Of the prior.
    """

    digest: str
    stage: str
    images: int
    every: int
    shown: int
    target: float
    batch: int
    precision: str
    width: int


class Bench:
    """Everything that the arms share, read once.

    Args:
        workshop: Of the environment.
        n_shown: Validation captions to draw.
    """

    def __init__(self, workshop: ProjectContext, n_shown: int) -> None:
        self.generator, self.run = workshop.parameters.generator, workshop.parameters.run
        self.pictures, table = workshop.load("pictures"), workshop.load("captions_complete")
        self.pair_bundle, self.vae_bundle = workshop.load("contrastive_pair"), workshop.load("vae")
        captioner = load_network(workshop.load("captioner"))
        pair, autoencoder = load_network(self.pair_bundle), load_network(self.vae_bundle)
        assert isinstance(captioner, Captioner) and isinstance(pair, ContrastivePair)
        assert isinstance(autoencoder, VAE)
        self.captioner, self.pair, self.autoencoder = captioner, pair, autoencoder
        self.captions = captions_for(self.pictures, table, self.pair_bundle, pair, self.run)
        learn, validate = for_training(
            Split(self.pictures.train.images, table), self.pictures.val, "benchmarks/language_model.py"
        )
        self.n_shown = min(n_shown, len(validate))
        truth = SceneTruth.of(validate.captions[: self.n_shown], int(validate.images[:1].shape[1]))
        if truth is None:
            raise SystemExit(
                "These captions describe no scenes, and no attributes can be looked for in pictures."
            )
        self.truth, self.wordings = truth, (learn.captions, validate.captions)

    def accuracy(self, model: ReadingModel) -> float:
        """Share of the attributes that the oracle finds in drawings of the first validation captions."""
        rows = torch.arange(self.n_shown).split(64)
        drawn = [to_uint8(self.captions.validation.draw(model, some)[0]) for some in rows]
        return self.truth.accuracy(np.concatenate(drawn))

    @cached_property
    def pictured(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Token ids of some training captions, (N, L), and the vectors of their pictures, (N, V)."""
        images = ImageRows(self.captions.images, self.captions.rows.device)
        return self._pictured(self.captions.rows, images, N_SOLVED)

    @cached_property
    def validated(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The same of some validation captions."""
        validation = self.captions.validation
        return self._pictured(validation.captions, validation.images, N_VALIDATION)

    def _pictured(
        self, captions: CaptionRows, images: ImageRows, most: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        rows = torch.arange(min(most, len(images)))
        with torch.no_grad():
            vectors = [self.pair.image_encoder(images[some]).embedding for some in rows.split(256)]
        return captions.primary(rows), torch.cat(vectors)

    def task(self, stage: str, name: str, beside: Beside, seed: int) -> PriorTask | GANTask:
        """The training of an arm, before its first step; the networks that do not learn are shared."""
        arm, own = ARMS[name], self.generator.prior
        reader = Reader(arm, self.captioner, seed)
        with seeded(seed):
            prior = ReadingPrior(
                reader,
                beside,
                self.pair.text_encoder.width,
                embed_dim=self.pair.text_encoder.project.out_features,
                latent_channels=self.vae_bundle.config["network"]["latent_channels"],
                width=own.width,
                depth=own.depth,
                noise_dim=own.noise_dim,
            )
        decoder = copy.deepcopy(self.autoencoder.decoder)
        model = ReadingModel(self.pair.text_encoder, prior, decoder, self.captioner.pad_id)
        if prior.sentence is not None:
            self._solve(model, prior.sentence)
        run = self.run.model_copy(update={"seed": seed})
        task = self._prior_task(model, arm) if stage == "prior" else self._gan_task(model, run)
        learning = "prior" if stage == "prior" else "generator"
        share = LEARNING_SHARE if arm.weights == "captioner" else 1.0
        if arm.learns and arm.weights != "none":
            task.optimizers = {**task.optimizers, learning: grouped(task.optimizers[learning], reader, share)}
        return task

    def _solve(self, model: ReadingModel, sentence: SentenceVector) -> None:
        ids, vectors = self.pictured
        model.to(ids.device)
        with torch.no_grad():
            words = [model.encode_text(some) for some in ids.split(256)]
            described = [sentence.describe(model.prior.reader(some.ids, some.mask), some) for some in words]
        sentence.solve(torch.cat(described), vectors)

    def _prior_task(self, model: ReadingModel, arm: Arm) -> PriorTask:
        own, captions = self.generator.prior, self.captions
        return ToldPriorTask(
            self.captioner, arm.told, model, self.autoencoder.encoder,
            captions.images, captions.rows, captions.validation,
            learning_rate=own.training.learning_rate, noises=own.noises,
            canonical_share=own.canonical_share, flip=self.generator.flip, device=resolve_device(self.run),
        )  # fmt: skip

    def _gan_task(self, model: ReadingModel, run: RunParameters) -> GANTask:
        own, captions, encoder = self.generator.gan, self.captions, copy.deepcopy(self.pair.image_encoder)
        with seeded(run.seed):
            discriminator = Discriminator(
                encoder,
                encoder.map_channels,
                model.text_encoder.project.out_features,
                own.discriminator_width,
            )
        return GANTask(
            model, discriminator, captions.images, captions.rows, captions.groups, captions.validation,
            adversary=own.adversary, learning_rate=GAN_RATE,
            discriminator_learning_rate=own.discriminator_learning_rate, penalty=own.penalty,
            alignment=own.alignment, adversarial=own.adversarial, anchor=own.anchor,
            anchor_cell=own.anchor_cell, head_start=0.0, structure_weight=own.structure_weight,
            augmentations=own.augmentations, canonical_share=own.canonical_share,
            flip=self.generator.flip, device=resolve_device(run),
        )  # fmt: skip


class Watched:
    """A task whose reports are the attributes of what it draws, and which ends once there are enough.

    Args:
        task: What is trained.
        accuracy: Of what it draws.
        target: Accuracy that is enough.
    """

    def __init__(self, task: Task, accuracy: Callable[[], float], target: float) -> None:
        self.modules, self.averaged = task.modules, task.averaged
        self.optimizers, self.n_rows, self.step = task.optimizers, task.n_rows, task.step
        self._accuracy, self._target, self._reports = accuracy, target, 0

    def validate(self) -> dict[str, float]:
        """The accuracy; an objective that falls until it is reached and then no more, which ends it all."""
        accuracy = self._accuracy()
        self._reports += 1
        return {"objective": math.inf if accuracy >= self._target else -self._reports, "accuracy": accuracy}

    def sheet(self) -> None:
        """None."""


def trained(bench: Bench, setting: Setting, name: str, beside: Beside, seed: int) -> dict[str, Any]:
    """Train one arm and give its curve: ``images``, ``accuracy``, and ``seconds`` with everything around."""
    task = bench.task(setting.stage, name, beside, seed)
    parameters = SharedTrainingParameters(
        images=setting.images, batch_size=setting.batch, learning_rate=1e-3,  # each optimizer has its own
        reports=max(1, round(setting.images / setting.every)), patience=1, keep_best=False,
        checkpoint_seconds=1e9,
    )  # fmt: skip
    run = bench.run.model_copy(update={"seed": seed, "precision": setting.precision})
    watched = Watched(task, lambda: bench.accuracy(task.model), setting.target)
    label = f"{setting.stage}, {name}, {beside}, seed {seed}"
    silent = Silent()
    result = train(watched, parameters, run, name=label, fingerprint="", stream=silent, checkpoints=silent)
    rows = result.curves
    return {
        "images": [int(row["images_seen"]) for row in rows],
        "accuracy": [round(row["val_accuracy"], 4) for row in rows],
        "seconds": rows[-1]["seconds"],
    }


def images_to(target: float, images: Sequence[int], accuracy: Sequence[float]) -> float | None:
    """Pictures seen when the accuracy first reaches the target, between two reports by a straight line."""
    before = (0, 0.0)
    for seen, reached in zip(images, accuracy, strict=True):
        if reached >= target:
            share = (target - before[1]) / (reached - before[1])
            return before[0] + share * (seen - before[0])
        before = (seen, reached)
    return None


def rates(
    bench: Bench, stage: str, arms: Sequence[tuple[str, Beside]], batch: int, precision: str
) -> dict[tuple[str, Beside], float]:
    """Pictures a second of each arm's steps: medians of rounds in which all take turns."""
    run = bench.run.model_copy(update={"precision": precision})
    machine = Precision.from_name(f"{resolve_device(run).type}/{precision}", run)
    tasks = {arm: bench.task(stage, *arm, seed=0) for arm in arms}
    taken: dict[tuple[str, Beside], list[float]] = {arm: [] for arm in arms}
    found = torch.arange(batch)
    for task in tasks.values():
        machine.prepare(task.modules)
    for turn in range(RATE_ROUNDS + 1):  # the first pays for memory
        for arm, task in tasks.items():
            start = time.perf_counter()
            for _ in range(RATE_STEPS):
                with machine.autocast():
                    task.step(found, 0.5)
            if turn:
                taken[arm].append(batch * RATE_STEPS / (time.perf_counter() - start))
    return {arm: statistics.median(some) for arm, some in taken.items()}

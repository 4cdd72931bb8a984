"""What a language model that was trained before is worth to the generators' training.

    python benchmarks/language_model.py [--env ENV] [--stages prior gan] [--arms …] [--seeds 0 1 2]
        [--images 24000] [--target 0.8]

Needs the features, the captioner and the VAE of a run whose captions describe scenes (`make run`). Each arm
(benchmarks/readers.py) trains the text prior, and the GAN, from random weights, reading the captions in its
own way; everything else, the batches and the random numbers are the same. With and without what the
contrastive text encoder says beside it, which was trained on the same captions and may know already all that
a language model could tell. Every so many pictures the validation captions are drawn with the same noise, and
the oracle says which attributes are there; a training ends once it has the target. Seconds are pictures over a
rate that is measured afterwards, all arms taking turns. What is finished is kept as JSON in the folder `out`
names, and an interrupted comparison goes on from there.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from readers import ARMS, Arm, Reader, ReadingModel, ReadingPrior, ToldPriorTask, grouped
from record import REPOSITORY, Row, save

from lexipix.config.run import RunParameters
from lexipix.config.training import SharedTrainingParameters
from lexipix.networks.captioner import Captioner
from lexipix.networks.clip import ContrastivePair
from lexipix.networks.discriminator import Discriminator
from lexipix.networks.vae import VAE
from lexipix.pipelines.generator.parts import captions_for
from lexipix.records import Split
from lexipix.reporting.plots import blank_figure, rendered
from lexipix.scenes.truth import SceneTruth
from lexipix.training.bundles import load_network
from lexipix.training.captioned import for_training
from lexipix.training.data import to_uint8
from lexipix.training.gan import GANTask
from lexipix.training.loop import Task, train
from lexipix.training.machine import Machine, choose_precision, resolve_device
from lexipix.training.prior import PriorTask
from lexipix.training.seeding import seeded
from lexipix.workshop import Workshop

Curves = dict[tuple[str, bool], list[dict[str, Any]]]  # by arm and by whether the contrastive encoder is read
SHOWN_ARMS = ("frozen", "finetuned", "random", "bag")
LEARNING_SHARE = 0.25  # of the prior's rate, for a language model that was trained before and learns along
GAN_RATE = 1e-3  # of a generator from random weights; the product's continues from a trained prior
RATE_STEPS, RATE_ROUNDS = 12, 3
N_SHOWN = 256  # validation captions that are drawn at each report
BASE = "random"  # speed-ups are over this arm
COLORS = {
    "frozen": "#2f6db5", "finetuned": "#d1651b", "random": "#9aa0a6", "bag": "#202124",
    "random-frozen": "#c9b037", "layers": "#7b3fa0", "none": "#b0413e", "told": "#2e8b57", "none-told": "#88c9a1",
}  # fmt: skip


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

    def __init__(self, workshop: Workshop, n_shown: int) -> None:
        self.generator, self.run = workshop.parameters.generator, workshop.parameters.run
        self.pictures, table = workshop.load("pictures"), workshop.load("captions_complete")
        self.pair_bundle, self.vae_bundle = workshop.load("contrastive_pair"), workshop.load("vae")
        captioner = load_network(workshop.load("captioner"))
        pair, autoencoder = load_network(self.pair_bundle), load_network(self.vae_bundle)
        assert isinstance(captioner, Captioner) and isinstance(pair, ContrastivePair)
        assert isinstance(autoencoder, VAE)
        self.captioner, self.pair, self.autoencoder = captioner, pair, autoencoder
        self.captions = captions_for(self.pictures, table, self.pair_bundle, pair, self.run)
        _, validate = for_training(
            Split(self.pictures.train.images, table), self.pictures.val, "benchmarks/language_model.py"
        )
        self.n_shown = min(n_shown, len(validate))
        truth = SceneTruth.of(validate.captions[: self.n_shown], int(validate.images[:1].shape[1]))
        if truth is None:
            raise SystemExit(
                "These captions describe no scenes, and no attributes can be looked for in pictures."
            )
        self.truth = truth

    def accuracy(self, model: ReadingModel) -> float:
        """Share of the attributes that the oracle finds in drawings of the first validation captions."""
        rows = torch.arange(self.n_shown).split(64)
        drawn = [to_uint8(self.captions.validation.draw(model, some)[0]) for some in rows]
        return self.truth.accuracy(np.concatenate(drawn))

    def task(self, stage: str, name: str, contrastive: bool, seed: int) -> PriorTask | GANTask:
        """The training of an arm, before its first step; the networks that do not learn are shared."""
        arm, own = ARMS[name], self.generator.prior
        reader = Reader(arm, self.captioner, seed)
        with seeded(seed):
            prior = ReadingPrior(
                reader,
                contrastive,
                self.pair.text_encoder.width,
                vector_width=self.pair.text_encoder.project.out_features,
                latent_channels=self.vae_bundle.config["network"]["latent_channels"],
                width=own.width,
                depth=own.depth,
                noise_width=own.noise_width,
            )
        decoder = copy.deepcopy(self.autoencoder.decoder)
        model = ReadingModel(self.pair.text_encoder, prior, decoder, self.captioner.pad_id)
        run = self.run.model_copy(update={"seed": seed})
        task = self._prior_task(model, arm) if stage == "prior" else self._gan_task(model, run)
        learning = "prior" if stage == "prior" else "generator"
        share = LEARNING_SHARE if arm.weights == "captioner" else 1.0
        if arm.learns and arm.weights != "none":
            task.optimizers = {**task.optimizers, learning: grouped(task.optimizers[learning], reader, share)}
        return task

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
        """The accuracy; an objective that falls until it is reached and then no more, which ends it."""
        accuracy = self._accuracy()
        self._reports += 1
        return {"objective": 1.0 if accuracy >= self._target else -float(self._reports), "accuracy": accuracy}

    def sheet(self) -> None:
        """None."""


def trained(bench: Bench, setting: Setting, name: str, contrastive: bool, seed: int) -> dict[str, Any]:
    """Train one arm and give its curve: ``images``, ``accuracy``, and ``seconds`` with everything around."""
    task = bench.task(setting.stage, name, contrastive, seed)
    parameters = SharedTrainingParameters(
        images=setting.images, batch_size=setting.batch, learning_rate=1e-3,  # each optimizer has its own
        reports=max(1, round(setting.images / setting.every)), patience=1, keep_best=False,
        checkpoint_seconds=1e9,
    )  # fmt: skip
    run = bench.run.model_copy(update={"seed": seed, "precision": setting.precision})
    watched = Watched(task, lambda: bench.accuracy(task.model), setting.target)
    label = f"{setting.stage}, {name}{' and contrastive' if contrastive else ''}, seed {seed}"
    silent = Silent()
    result = train(watched, parameters, run, name=label, fingerprint="", stream=silent, checkpoints=silent)
    rows = result.curves
    return {
        "images": [int(row["images_seen"]) for row in rows],
        "accuracy": [round(row["val_accuracy"], 4) for row in rows],
        "seconds": rows[-1]["seconds"],
    }


def kept(place: Path, setting: Setting, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A result that lies there from the same setting, else a new one, which is put there."""
    if place.is_file():
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        if found["setting"] == asdict(setting):
            return found
    found = {"setting": asdict(setting), **make()}
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_suffix(".part")
    half.write_text(json.dumps(found) + "\n", encoding="utf-8")
    half.replace(place)
    return found


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
    bench: Bench, stage: str, arms: Sequence[tuple[str, bool]], batch: int, precision: str
) -> dict[tuple[str, bool], float]:
    """Pictures a second of each arm's steps: medians of rounds in which all take turns."""
    run = bench.run.model_copy(update={"precision": precision})
    machine = Machine.from_name(f"{resolve_device(run).type}/{precision}", run)
    tasks = {arm: bench.task(stage, *arm, seed=0) for arm in arms}
    taken: dict[tuple[str, bool], list[float]] = {arm: [] for arm in arms}
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


class Silent:
    """Keeps neither figures nor checkpoints."""

    def log(self, *_: Any) -> None:
        """Nothing."""

    def image(self, *_: Any) -> None:
        """Nothing."""

    def load(self) -> None:
        """No checkpoint."""

    def save(self, *_: Any) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""


def main() -> None:
    """Prints the table and where it was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment whose models and pictures are used [default: base]")
    parser.add_argument("--stages", nargs="+", choices=("prior", "gan"), default=["prior", "gan"])
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=list(SHOWN_ARMS))
    parser.add_argument("--contrastive", nargs="+", choices=("with", "without"), default=["without", "with"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=24_000, help="pictures after which a training gives up")
    parser.add_argument("--gan-images", type=int, default=12_000, help="the same for the GAN")
    parser.add_argument("--target", type=float, default=0.8, help="attribute accuracy that ends a training")
    parser.add_argument("--width", type=int, help="of the prior [default: the environment's]")
    parser.add_argument("--every", type=int, default=2_000, help="pictures between two looks at the accuracy")
    parser.add_argument("--shown", type=int, default=256, help="validation captions drawn at each look")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    given = {"generator": {"prior": {"width": arguments.width}}} if arguments.width else None
    bench = Bench(Workshop(REPOSITORY, arguments.env, given), arguments.shown)
    rows: list[Row] = []
    plots: dict[str, NDArray[np.uint8]] = {}
    facts: dict[str, Any] = {"target": arguments.target, "captions drawn": bench.n_shown}
    for stage in arguments.stages:
        setting = settled(bench, stage, arguments)
        arms = [(name, said == "with") for said in arguments.contrastive for name in arguments.arms]
        if stage == "gan":  # whose loss is another
            arms = [(name, contrastive) for name, contrastive in arms if not ARMS[name].told]
        found: Curves = {arm: [] for arm in arms}
        for seed in arguments.seeds:  # all arms of a seed first: what is there can be compared
            for name, contrastive in arms:
                place = f"{stage}-{name}{'-contrastive' if contrastive else ''}-{seed}.json"
                found[name, contrastive].append(
                    kept(
                        arguments.out / "language_model" / place,
                        setting,
                        lambda: trained(bench, setting, name, contrastive, seed),  # noqa: B023 - called at once
                    )
                )
        speed = rates(bench, stage, arms, setting.batch, setting.precision)
        rows += [row(stage, arm, arms, found, speed, setting) for arm in arms]
        plots[f"language_model_{stage}"] = plot(stage, found, setting)
        facts |= {f"{stage} images": setting.images, f"{stage} precision": setting.precision}
    notes = "\n\n".join(
        [*(said(stage, rows) for stage in arguments.stages), (__doc__ or "").split("\n\n")[-1]]
    )
    page = save("language_model", rows, facts, arguments.out, notes, pictures=plots)
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def settled(bench: Bench, stage: str, arguments: argparse.Namespace) -> Setting:
    """The setting of a stage; what precision is the fastest is tried with the first arm."""
    training = (bench.generator.prior if stage == "prior" else bench.generator.gan).training
    run = bench.run.model_copy(update={"precision": arguments.precision})
    machine = choose_precision(
        bench.task(stage, arguments.arms[0], True, 0), training.batch_size, run, stage
    )
    return Setting(
        digest=bench.pictures.digest,
        stage=stage,
        images=arguments.images if stage == "prior" else arguments.gan_images,
        every=arguments.every,
        shown=bench.n_shown,
        target=arguments.target,
        batch=training.batch_size,
        precision="bf16" if machine.bf16 else "fp32",
        width=bench.generator.prior.width,
    )


def row(
    stage: str,
    arm: tuple[str, bool],
    arms: Sequence[tuple[str, bool]],
    found: Curves,
    speed: Mapping[tuple[str, bool], float],
    setting: Setting,
) -> Row:
    """What the seeds of an arm came to; a speed-up is the mean over seeds of the base's pictures over its own.

    A seed that gave up counts with all the pictures of its schedule: its true number is larger.
    """
    name, contrastive = arm
    reached = [images_to(setting.target, one["images"], one["accuracy"]) for one in found[arm]]
    images = [float(setting.images) if one is None else one for one in reached]
    given_up = sum(one is None for one in reached)
    last: Row = {
        "stage": stage, "contrastive": "with" if contrastive else "without", "language model": name,
        "pictures to target": statistics.mean(images), "least": min(images), "most": max(images),
        "gave up": f"{given_up} of {len(images)}",
        "seconds to target": statistics.mean(images) / speed[arm], "pictures/s": speed[arm],
        "accuracy at the end": statistics.mean(one["accuracy"][-1] for one in found[arm]),
    }  # fmt: skip
    base = (BASE, contrastive)
    if base in arms:
        slow = [
            images_to(setting.target, one["images"], one["accuracy"]) or float(setting.images)
            for one in found[base]
        ]
        ratios = [theirs / own for theirs, own in zip(slow, images, strict=True)]
        last |= {
            f"times as few pictures as {BASE}": statistics.mean(ratios),
            "times, least": min(ratios), "times, most": max(ratios),
            f"times as fast as {BASE}": statistics.mean(ratios) * speed[arm] / speed[base],
        }  # fmt: skip
    return last


def said(stage: str, rows: Sequence[Row]) -> str:
    """One sentence on what the pretrained language model is worth, beside the contrastive encoder and alone."""
    sentences = []
    for reading in ("without", "with"):
        some = [one for one in rows if one["stage"] == stage and one["contrastive"] == reading]
        ahead = [one for one in some if ARMS[one["language model"]].weights == "captioner"]
        ahead = [one for one in ahead if f"times as few pictures as {BASE}" in one]
        if not ahead:
            continue
        best = max(ahead, key=lambda one: float(one[f"times as few pictures as {BASE}"]))
        sentences.append(
            f"{stage}, {reading} the contrastive text encoder: the best use of the language model "
            f"({best['language model']}) needs {best[f'times as few pictures as {BASE}']:.2f} times fewer "
            f"pictures ({best['times, least']:.2f} to {best['times, most']:.2f}) than one with random weights, "
            f"and is {best[f'times as fast as {BASE}']:.2f} times as fast."
        )
    return " ".join(sentences)


def plot(stage: str, found: Curves, setting: Setting) -> NDArray[np.uint8]:
    """Accuracy over pictures seen: a thin line for each seed, without and with the contrastive encoder."""
    readings = sorted({contrastive for _, contrastive in found})
    figure = blank_figure(6 * len(readings), 4)
    for place, contrastive in enumerate(readings):
        axes = figure.add_subplot(1, len(readings), place + 1)
        for (name, reading), curves in found.items():
            if reading != contrastive:
                continue
            for number, one in enumerate(curves):
                axes.plot(
                    [0, *one["images"]], [0, *one["accuracy"]], color=COLORS[name], linewidth=1.2,
                    label=None if number else name,
                )  # fmt: skip
        axes.axhline(setting.target, color="gray", linewidth=0.8, linestyle="--")
        reads = "and the contrastive text encoder" if contrastive else "alone"
        axes.set(
            title=f"{stage}: language model {reads}", xlabel="pictures seen", ylabel="attribute accuracy"
        )
        axes.set(ylim=(0, 1))
        axes.legend(fontsize=8)
    return rendered(figure)


if __name__ == "__main__":
    main()

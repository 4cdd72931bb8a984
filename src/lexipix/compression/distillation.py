"""Distillation of the chosen generator into smaller networks."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from lexipix.compression.champion import choose_family
from lexipix.compression.students import make_student
from lexipix.compression.variants import split_name
from lexipix.config.compression import (
    ChampionParameters,
    CompressionParameters,
    PrunedParameters,
    SmallParameters,
)
from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.data.images import N_VALIDATION
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.models.text_to_image import TextToImage
from lexipix.reporting.plots import note
from lexipix.training.builders.common import Outputs, TrainingJob, TrainingSetup, run_training
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingTask
from lexipix.training.tasks.distillation import DistillationTask, generate_targets
from lexipix.training.tasks.text_distillation import TextDistillationTask, encode_captions
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import untrained
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle, Split

Distilled = tuple[ModelBundle, pd.DataFrame, dict[str, Any]]


@dataclass(frozen=True)
class DistillationData:
    """What a distillation learns from; the generator of the chosen family is the teacher."""

    image_splits: ImageSplits
    captions_complete: pd.DataFrame  # of the training images, the generated captions among them
    prior: ModelBundle
    gan: ModelBundle
    stream: MetricStream
    checkpoints: CheckpointStore
    engine: Engine = LOCAL

    def teacher(self, champion: ChampionParameters) -> ModelBundle:
        """The generator that is distilled."""
        family = choose_family(champion.family, self.prior.card, self.gan.card)
        return {"vae": self.prior, "gan": self.gan}[family]


@dataclass(frozen=True)
class DistillationSetup:
    """What a student learns from; it can cross to another process."""

    name: str
    parameters: PrunedParameters
    run: RunParameters
    image_splits: ImageSplits
    captions_complete: pd.DataFrame
    teacher: ModelBundle
    text_student: ModelBundle | None = None  # from which the training starts, if any


class _Distillation:
    """The training of one student: the teacher's network, and captions and paraphrases of the images."""

    def __init__(self, setup: DistillationSetup) -> None:
        self.setup, image_splits, run = setup, setup.image_splits, setup.run
        teacher = setup.teacher
        device = resolve_device(run)
        self.network = load_network(teacher, TextToImage).requires_grad_(False)
        # The students read the primary caption as often as the teacher did
        self.primary_caption_prob = float(teacher.card["parameters"]["primary_caption_prob"])
        splits = for_training(
            Split(image_splits.train.images, setup.captions_complete), image_splits.val, "compression"
        )
        tokenizer, max_tokens = tokenizer_of(teacher), int(teacher.config["max_tokens"])
        self.captions, self.validation = (
            CaptionRows(split.captions, split.paraphrases, tokenizer, max_tokens, device) for split in splits
        )

    def training_setup(
        self, task: TrainingTask, student: TextToImage, student_config: dict[str, Any]
    ) -> TrainingSetup:
        """Return the training of the student."""
        teacher = self.setup.teacher
        keys = ("image_size", "image_channels", "known_words", "noise_dim", "max_tokens")
        return TrainingSetup(
            task,
            student,
            student_config,
            self.setup.parameters,
            inputs=(self.primary_caption_prob, teacher, self.setup.text_student or teacher),
            bundle={"tokenizer": teacher.tokenizer, **{key: teacher.config[key] for key in keys}},
        )


def distill_text_encoder(
    compression: CompressionParameters, run: RunParameters, data: DistillationData
) -> Distilled:
    """Train the small network's text encoder to encode captions as the teacher does.

    Returns:
        The small network, the curves and metrics of the training. Where no variant of it is asked for, the
        teacher itself without metrics.
    """
    bundle = data.teacher(compression.champion)
    if not _is_wanted(compression, "small"):
        return bundle, *untrained()
    setup = DistillationSetup(
        "small_text_encoder", compression.small, run, data.image_splits, data.captions_complete, bundle
    )
    build = partial(_build_text_encoder, compression.small, setup)
    return _train(setup, build, compression.small.text_encoder.training, data)[:3]


def _build_text_encoder(parameters: SmallParameters, setup: DistillationSetup) -> TrainingSetup:
    distillation, text_encoder, run = _Distillation(setup), parameters.text_encoder, setup.run
    teacher, prob = distillation.network, distillation.primary_caption_prob
    with seeded(run.seed):
        config, student = make_student(teacher, setup.teacher.config["network"], parameters)
        teacher.to(distillation.captions.device)
        n_validation, shown = min(N_VALIDATION, len(distillation.validation)), "small text encoder: targets"
        targets = encode_captions(teacher, distillation.captions, text_encoder.n_captions, prob, shown)
        validation = encode_captions(teacher, distillation.validation, n_validation, prob, shown)
    task = TextDistillationTask(
        student, targets, validation, learning_rate=text_encoder.training.learning_rate
    )
    return distillation.training_setup(task, student, config)


def _train(
    setup: DistillationSetup,
    build: Callable[[], TrainingSetup],
    training: TrainingParameters,
    data: DistillationData,
) -> Outputs:
    key, digest = f"compression.{setup.name.replace('_', '.', 1)}", data.image_splits.digest
    job = TrainingJob(setup.name, key, build, training, setup.run, digest)
    return run_training(job, data.stream, data.checkpoints, data.engine)


def distill(
    name: str,
    compression: CompressionParameters,
    run: RunParameters,
    data: DistillationData,
    text_student: ModelBundle | None = None,
) -> Outputs:
    """Train a smaller network, ``small`` or ``pruned``, to generate what the teacher generates.

    It starts from the teacher, or from the ``text_student`` of :func:`distill_text_encoder`.

    Returns:
        The student, the curves and metrics of its training, and the teacher's images above its own. Where no
        variant of the student is asked for, the teacher itself, without metrics, and a note.
    """
    bundle = data.teacher(compression.champion)
    if not _is_wanted(compression, name):
        reason = "compression.variants names no variant of it: not trained"
        return bundle, *untrained(), note(name, reason)
    parameters: PrunedParameters = getattr(compression, name)
    setup = DistillationSetup(
        name, parameters, run, data.image_splits, data.captions_complete, bundle, text_student
    )
    return _train(setup, partial(_build_student, setup), parameters.training, data)


def _build_student(setup: DistillationSetup) -> TrainingSetup:
    distillation = _Distillation(setup)
    name, parameters, run, text_student = setup.name, setup.parameters, setup.run, setup.text_student
    teacher = distillation.network
    if text_student is not None:
        config, student = dict(text_student.config["network"]), load_network(text_student, TextToImage)
    else:
        config, student = make_student(teacher, setup.teacher.config["network"], parameters)
    with seeded(run.seed):
        teacher.to(distillation.captions.device)
        shown = f"{name}: targets"
        targets = generate_targets(teacher, distillation.captions, parameters.n_images, shown)
        validation = generate_targets(teacher, distillation.validation, N_VALIDATION, shown)
    task = DistillationTask(
        student,
        targets,
        validation,
        distillation.captions,
        distillation.validation,
        learning_rate=parameters.training.learning_rate,
        primary_caption_prob=distillation.primary_caption_prob,
    )
    return distillation.training_setup(task, student, config)


def _is_wanted(compression: CompressionParameters, name: str) -> bool:
    return any(split_name(variant)[0] == name for variant in compression.variants)

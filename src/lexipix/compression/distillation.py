"""Distillation of the chosen generator into smaller networks."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lexipix.compression.champion import choose_family
from lexipix.compression.students import has_own_reader, make_student
from lexipix.compression.variants import split_name
from lexipix.config.compression import CompressionParameters, PrunedParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.data.images import N_VALIDATION
from lexipix.models.text_to_image import TextToImage
from lexipix.reporting.plots import note
from lexipix.training.bundles import fingerprint, load_network, to_bundle, tokenizer_of
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingResult
from lexipix.training.tasks.distillation import DistillationTask, generate_targets
from lexipix.training.tasks.text_distillation import TextDistillationTask, encode_captions
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import untrained
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle, Split

Distilled = tuple[ModelBundle, pd.DataFrame, dict[str, Any]]


@dataclass(frozen=True)
class Teacher:
    """The generator that is distilled.

    Attributes:
        bundle: The trained model.
        primary_caption_prob: Probability with which its training read a caption in its first wording; the
            students' trainings do the same.
    """

    bundle: ModelBundle
    primary_caption_prob: float


@dataclass(frozen=True)
class DistillationSetup:
    """What every distillation starts from.

    Attributes:
        teacher: The model and how its captions are read.
        network: The teacher's network, on the device.
        captions: Wordings of the training images.
        validation: Wordings of the validation images.
        digest: Of the data.
        device: Where to train.
    """

    teacher: Teacher
    network: TextToImage
    captions: CaptionRows
    validation: CaptionRows
    digest: str
    device: torch.device


def choose_teacher(
    family: Literal["auto", "vae", "gan"],
    prior: ModelBundle,
    gan: ModelBundle,
    prior_metrics: dict[str, Any],
    gan_metrics: dict[str, Any],
    prior_primary_caption_prob: float,
    gan_primary_caption_prob: float,
) -> Teacher:
    """Return the generator of a family, or of the better one for ``auto`` (see :func:`choose_family`)."""
    if choose_family(family, {"vae": prior_metrics, "gan": gan_metrics}) == "vae":
        return Teacher(prior, prior_primary_caption_prob)
    return Teacher(gan, gan_primary_caption_prob)


def distill_text_encoder(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    teacher: Teacher,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Distilled:
    """Train the small network's text encoder to encode captions as the teacher does.

    Returns:
        The small network, the curves and metrics of the training. Where no variant of it is asked for, or it
        keeps the teacher's language model, the teacher itself without metrics.
    """
    parameters = compression.small
    if not _is_wanted(compression, "small") or not has_own_reader(
        teacher.bundle.config["network"], parameters
    ):
        return teacher.bundle, *untrained()
    setup = _setup(teacher, run, pictures, captions_complete)
    with seeded(run.seed):
        config, student = make_student(setup.network, dict(teacher.bundle.config["network"]), parameters)
        setup.network.to(setup.device)
        targets, validation = (
            encode_captions(
                setup.network,
                captions,
                n,
                teacher.primary_caption_prob,
                "small reader: targets",
                setup.device,
            )
            for captions, n in (
                (setup.captions, parameters.reader.n_captions),
                (setup.validation, min(N_VALIDATION, len(setup.validation))),
            )
        )
    training = parameters.reader.training
    task = TextDistillationTask(student, targets, validation, learning_rate=training.learning_rate)
    result = train(
        task,
        training,
        run,
        name="small_reader",
        key="compression.small.reader.training",
        fingerprint=_fingerprint("small_reader", parameters, run, setup),
        stream=stream,
        checkpoints=checkpoints,
    )
    return _bundle(setup, student, config, parameters, result), pd.DataFrame(result.curves), result.metrics


def distill(
    name: str,
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    teacher: Teacher,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    text_student: ModelBundle | None = None,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]:
    """Train a smaller network to generate what the teacher generates.

    Args:
        name: ``small`` or ``pruned``; its parameters are ``compression.NAME``.
        compression: Of the stage.
        run: Seed, device, precision.
        pictures: The data.
        captions_complete: Captions of the training images, the generated ones among them.
        teacher: Is distilled.
        stream: Receives live metrics.
        checkpoints: Stores the state of an interrupted training.
        text_student: From :func:`distill_text_encoder`; None starts from the teacher.

    Returns:
        The student, the curves and metrics of its training, and the teacher's images above its own. Where no
        variant of the student is asked for, the teacher itself, without metrics, and a note.
    """
    if not _is_wanted(compression, name):
        reason = "compression.variants names no variant of it: not trained"
        return teacher.bundle, *untrained(), note(name, reason)
    parameters: PrunedParameters = getattr(compression, name)
    setup = _setup(teacher, run, pictures, captions_complete)
    if text_student is not None and has_own_reader(teacher.bundle.config["network"], parameters):
        config, student = dict(text_student.config["network"]), load_network(text_student, TextToImage)
    else:
        config, student = make_student(setup.network, dict(teacher.bundle.config["network"]), parameters)
    with seeded(run.seed):
        setup.network.to(setup.device)
        targets, validation = (
            generate_targets(setup.network, captions, n, f"{name}: targets", setup.device)
            for captions, n in ((setup.captions, parameters.n_images), (setup.validation, N_VALIDATION))
        )
    task = DistillationTask(
        student,
        targets,
        validation,
        setup.captions,
        setup.validation,
        learning_rate=parameters.training.learning_rate,
        primary_caption_prob=teacher.primary_caption_prob,
        device=setup.device,
    )
    result = train(
        task,
        parameters.training,
        run,
        name=name,
        key=f"compression.{name}.training",
        fingerprint=_fingerprint(name, parameters, run, setup, text_student),
        stream=stream,
        checkpoints=checkpoints,
    )
    assert result.sample_grid is not None
    bundle = _bundle(setup, student, config, parameters, result)
    return bundle, pd.DataFrame(result.curves), result.metrics, result.sample_grid


def _is_wanted(compression: CompressionParameters, name: str) -> bool:
    return any(split_name(variant)[0] == name for variant in compression.variants)


def _setup(
    teacher: Teacher, run: RunParameters, pictures: ImageSplits, captions_complete: pd.DataFrame
) -> DistillationSetup:
    network = load_network(teacher.bundle, TextToImage)
    device = resolve_device(run)
    chosen = for_training(Split(pictures.train.images, captions_complete), pictures.val, "compression")
    tokenizer, max_tokens = tokenizer_of(teacher.bundle), int(teacher.bundle.config["max_tokens"])
    captions, validation = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, max_tokens, device) for part in chosen
    )
    network.requires_grad_(False)
    return DistillationSetup(teacher, network, captions, validation, pictures.digest, device)


def _fingerprint(
    name: str,
    parameters: PrunedParameters,
    run: RunParameters,
    setup: DistillationSetup,
    text_student: ModelBundle | None = None,
) -> str:
    teacher = setup.teacher
    models = (teacher.bundle, text_student or teacher.bundle)
    return fingerprint(name, parameters, run, setup.digest, teacher.primary_caption_prob, *models)


def _bundle(
    setup: DistillationSetup,
    student: TextToImage,
    network: dict[str, Any],
    parameters: PrunedParameters,
    result: TrainingResult,
) -> ModelBundle:
    config = setup.teacher.bundle.config
    return to_bundle(
        "text_to_image",
        student,
        network,
        tokenizer=setup.teacher.bundle.tokenizer,
        max_tokens=int(config["max_tokens"]),
        card_parameters=parameters,
        data_digest=setup.digest,
        figures=result.metrics,
        **{key: config[key] for key in ("image_size", "known_words", "noise_dim")},
    )

"""Distillation of the chosen generator into smaller networks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.compression.champion import choose_family
from lexipix.compression.students import has_own_reader, make_student
from lexipix.compression.variants import split_name
from lexipix.config.compression import ChampionParameters, CompressionParameters, PrunedParameters
from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.data.images import N_VALIDATION
from lexipix.models.text_to_image import TextToImage
from lexipix.reporting.plots import note
from lexipix.training.bundles import fingerprint, load_network, to_bundle, tokenizer_of
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingResult, TrainingTask
from lexipix.training.tasks.distillation import DistillationTask, generate_targets
from lexipix.training.tasks.text_distillation import TextDistillationTask, encode_captions
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import untrained
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle, Split

Distilled = tuple[ModelBundle, pd.DataFrame, dict[str, Any]]


@dataclass(frozen=True)
class DistillationData:
    """What a distillation learns from.

    Attributes:
        pictures: The data.
        captions_complete: Captions of the training images, the generated ones among them.
        prior: The VAE's text prior; its card holds the parameters and metrics of its training.
        gan: The GAN, likewise. The one of the chosen family is the teacher.
        stream: Receives live metrics.
        checkpoints: Stores the state of an interrupted training.
    """

    pictures: ImageSplits
    captions_complete: pd.DataFrame
    prior: ModelBundle
    gan: ModelBundle
    stream: MetricStream
    checkpoints: CheckpointStore

    def teacher(self, champion: ChampionParameters) -> ModelBundle:
        """The generator that is distilled."""
        family = choose_family(champion.family, self.prior.card, self.gan.card)
        return {"vae": self.prior, "gan": self.gan}[family]


class _Distillation:
    """The training of one student, with the teacher's network and the wordings of the images."""

    def __init__(
        self,
        name: str,
        parameters: PrunedParameters,
        run: RunParameters,
        data: DistillationData,
        teacher: ModelBundle,
    ) -> None:
        pictures = data.pictures
        self.name, self.parameters, self.run, self.data, self.teacher = name, parameters, run, data, teacher
        self.device = resolve_device(run)
        self.network = load_network(teacher, TextToImage).requires_grad_(False)
        self.network_config = dict(teacher.config["network"])
        # The students read captions as often in their first wording as the teacher did
        self.primary_caption_prob = float(teacher.card["parameters"]["primary_caption_prob"])
        splits = for_training(
            Split(pictures.train.images, data.captions_complete), pictures.val, "compression"
        )
        tokenizer, max_tokens = tokenizer_of(teacher), int(teacher.config["max_tokens"])
        self.captions, self.validation = (
            CaptionRows(split.captions, split.paraphrases, tokenizer, max_tokens, self.device)
            for split in splits
        )

    def train(
        self,
        task: TrainingTask,
        training: TrainingParameters,
        student: TextToImage,
        student_config: dict[str, Any],
        text_student: ModelBundle | None = None,
    ) -> tuple[ModelBundle, TrainingResult]:
        """Train the student; ``text_student`` is the model that its training starts from, if any."""
        teacher, digest = self.teacher, self.data.pictures.digest
        models = teacher, text_student or teacher
        result = train(
            task,
            training,
            self.run,
            name=self.name,
            key=f"compression.{self.name.replace('_', '.')}.training",
            fingerprint=fingerprint(
                self.name, self.parameters, self.run, digest, self.primary_caption_prob, *models
            ),
            stream=self.data.stream,
            checkpoints=self.data.checkpoints,
        )
        bundle = to_bundle(
            "text_to_image",
            student,
            student_config,
            tokenizer=teacher.tokenizer,
            max_tokens=int(teacher.config["max_tokens"]),
            card_parameters=self.parameters,
            data_digest=digest,
            figures=result.metrics,
            **{key: teacher.config[key] for key in ("image_size", "known_words", "noise_dim")},
        )
        return bundle, result


def distill_text_encoder(
    compression: CompressionParameters, run: RunParameters, data: DistillationData
) -> Distilled:
    """Train the small network's text encoder to encode captions as the teacher does.

    Returns:
        The small network, the curves and metrics of the training. Where no variant of it is asked for, or it
        keeps the teacher's language model, the teacher itself without metrics.
    """
    parameters, reader = compression.small, compression.small.reader
    bundle = data.teacher(compression.champion)
    if not _is_wanted(compression, "small") or not has_own_reader(bundle.config["network"], parameters):
        return bundle, *untrained()
    distillation = _Distillation("small_reader", parameters, run, data, bundle)
    teacher, prob, device = distillation.network, distillation.primary_caption_prob, distillation.device
    with seeded(run.seed):
        config, student = make_student(teacher, distillation.network_config, parameters)
        teacher.to(device)
        n_validation = min(N_VALIDATION, len(distillation.validation))
        targets, validation = (
            encode_captions(teacher, captions, n, prob, "small reader: targets", device)
            for captions, n in (
                (distillation.captions, reader.n_captions),
                (distillation.validation, n_validation),
            )
        )
    task = TextDistillationTask(student, targets, validation, learning_rate=reader.training.learning_rate)
    bundle, result = distillation.train(task, reader.training, student, config)
    return bundle, pd.DataFrame(result.curves), result.metrics


def distill(
    name: str,
    compression: CompressionParameters,
    run: RunParameters,
    data: DistillationData,
    text_student: ModelBundle | None = None,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]:
    """Train a smaller network to generate what the teacher generates.

    Args:
        name: ``small`` or ``pruned``; its parameters are ``compression.NAME``.
        compression: Of the stage.
        run: Seed, device, precision.
        data: Generators, pictures and captions.
        text_student: From :func:`distill_text_encoder`; None starts from the teacher.

    Returns:
        The student, the curves and metrics of its training, and the teacher's images above its own. Where no
        variant of the student is asked for, the teacher itself, without metrics, and a note.
    """
    bundle = data.teacher(compression.champion)
    if not _is_wanted(compression, name):
        reason = "compression.variants names no variant of it: not trained"
        return bundle, *untrained(), note(name, reason)
    parameters: PrunedParameters = getattr(compression, name)
    distillation = _Distillation(name, parameters, run, data, bundle)
    teacher, device = distillation.network, distillation.device
    if text_student is not None and has_own_reader(distillation.network_config, parameters):
        config, student = dict(text_student.config["network"]), load_network(text_student, TextToImage)
    else:
        config, student = make_student(teacher, distillation.network_config, parameters)
    with seeded(run.seed):
        teacher.to(device)
        targets, validation = (
            generate_targets(teacher, captions, n, f"{name}: targets", device)
            for captions, n in (
                (distillation.captions, parameters.n_images),
                (distillation.validation, N_VALIDATION),
            )
        )
    task = DistillationTask(
        student,
        targets,
        validation,
        distillation.captions,
        distillation.validation,
        learning_rate=parameters.training.learning_rate,
        primary_caption_prob=distillation.primary_caption_prob,
        device=device,
    )
    bundle, result = distillation.train(task, parameters.training, student, config, text_student)
    assert result.sample_grid is not None
    return bundle, pd.DataFrame(result.curves), result.metrics, result.sample_grid


def _is_wanted(compression: CompressionParameters, name: str) -> bool:
    return any(split_name(variant)[0] == name for variant in compression.variants)

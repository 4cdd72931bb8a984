"""What the trainings of smaller networks share: a trained generator teaches another one."""

from collections.abc import Callable, MutableMapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lexipix.compression.champion import choose_family
from lexipix.compression.students import own_reader, smaller
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
from lexipix.training.tasks.distillation import DistillationTask, draw_lessons
from lexipix.training.tasks.text_distillation import TextDistillationTask, hear
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import untrained
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle, Split

Taught = tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]
CANONICAL_SHARE = 0.5


class _School(NamedTuple):
    """Who teaches what from which captions."""

    bundle: ModelBundle
    teacher: TextToImage
    rows: CaptionRows
    validation: CaptionRows
    digest: str
    device: torch.device


def teach_reader(
    compression: CompressionParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    prior: ModelBundle,
    gan: ModelBundle,
    prior_figures: dict[str, Any],
    gan_figures: dict[str, Any],
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Let the chosen family's generator teach the small network to read.

    Returns:
        The small network with a trained reader, the curves and figures of the training. Where no form of it
        is asked for, or it reads as the generator does, the generator itself without figures.
    """
    bundle = _chosen(compression, prior, gan, prior_figures, gan_figures)
    parameters = compression.small
    if not _is_wanted(compression, "small") or not own_reader(bundle.config["network"], parameters):
        return bundle, *untrained()
    school = _school(bundle, run, pictures, captions_complete)
    with seeded(run.seed):
        network, student = smaller(school.teacher, dict(bundle.config["network"]), parameters)
        teacher = school.teacher.to(school.device)
        heard, validation = (
            hear(teacher, captions, n, CANONICAL_SHARE, "small reader: lessons", school.device)
            for captions, n in (
                (school.rows, parameters.reader.n_captions),
                (school.validation, min(N_VALIDATION, len(school.validation))),
            )
        )
    training = parameters.reader.training
    task = TextDistillationTask(student, heard, validation, learning_rate=training.learning_rate)
    result = train(
        task,
        training,
        run,
        name="small_reader",
        fingerprint=fingerprint("small_reader", parameters, run, school.digest, bundle),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    made = _bundle(school, student, network, parameters, result)
    return made, pd.DataFrame(result.curves), result.figures


def lesson(name: str) -> Callable[..., Taught]:
    """The step in which the chosen family's generator teaches a smaller one to draw.

    Args:
        name: ``small`` or ``pruned``; its parameters are ``compression.NAME``.

    Returns:
        A function that gives the student, the curves and figures of its training, and a sheet of the
        teacher's pictures above its own. Where no form of the student is asked for nothing is taught: the
        teacher stands in for it, without figures, and a note for the sheet.
    """

    def teach(
        compression: CompressionParameters,
        run: RunParameters,
        pictures: ImageSplits,
        captions_complete: pd.DataFrame,
        prior: ModelBundle,
        gan: ModelBundle,
        prior_figures: dict[str, Any],
        gan_figures: dict[str, Any],
        machine_choices: MutableMapping[str, str],
        stream: MetricStream,
        checkpoints: CheckpointStore,
        reader: ModelBundle | None = None,
    ) -> Taught:
        bundle = _chosen(compression, prior, gan, prior_figures, gan_figures)
        if not _is_wanted(compression, name):
            return bundle, *untrained(), note(name, "compression.variants names no form of it: not taught")
        parameters: PrunedParameters = getattr(compression, name)
        school = _school(bundle, run, pictures, captions_complete)
        if reader is not None and own_reader(bundle.config["network"], parameters):
            network, loaded = dict(reader.config["network"]), load_network(reader)
            assert isinstance(loaded, TextToImage)
            student = loaded
        else:
            network, student = smaller(school.teacher, dict(bundle.config["network"]), parameters)
        with seeded(run.seed):
            teacher = school.teacher.to(school.device)
            drawn, validation = (
                draw_lessons(teacher, captions, n, f"{name}: lessons", school.device)
                for captions, n in ((school.rows, parameters.n_pictures), (school.validation, N_VALIDATION))
            )
        task = DistillationTask(
            student,
            drawn,
            validation,
            school.rows,
            school.validation,
            learning_rate=parameters.training.learning_rate,
            canonical_share=CANONICAL_SHARE,
            device=school.device,
        )
        result = train(
            task,
            parameters.training,
            run,
            name=name,
            fingerprint=fingerprint(name, parameters, run, school.digest, bundle, reader or bundle),
            stream=stream,
            checkpoints=checkpoints,
            choices=machine_choices,
        )
        assert result.sheet is not None
        made = _bundle(school, student, network, parameters, result)
        return made, pd.DataFrame(result.curves), result.figures, result.sheet

    teach.__name__ = f"teach_{name}"
    return teach


def _chosen(
    compression: CompressionParameters,
    prior: ModelBundle,
    gan: ModelBundle,
    prior_figures: dict[str, Any],
    gan_figures: dict[str, Any],
) -> ModelBundle:
    family = choose_family(compression.champion.family, {"vae": prior_figures, "gan": gan_figures})
    return {"vae": prior, "gan": gan}[family]


def _is_wanted(compression: CompressionParameters, name: str) -> bool:
    return any(split_name(variant)[0] == name for variant in compression.variants)


def _school(
    bundle: ModelBundle, run: RunParameters, pictures: ImageSplits, captions_complete: pd.DataFrame
) -> _School:
    teacher = load_network(bundle)
    assert isinstance(teacher, TextToImage)
    device = resolve_device(run)
    chosen = for_training(Split(pictures.train.images, captions_complete), pictures.val, "compression")
    tokenizer, max_tokens = tokenizer_of(bundle), int(bundle.config["max_tokens"])
    rows, validation = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, max_tokens, device) for part in chosen
    )
    return _School(bundle, teacher.requires_grad_(False), rows, validation, pictures.digest, device)


def _bundle(
    school: _School,
    student: TextToImage,
    network: dict[str, Any],
    parameters: PrunedParameters,
    result: TrainingResult,
) -> ModelBundle:
    config = school.bundle.config
    return to_bundle(
        "text_to_image",
        student,
        network,
        tokenizer=school.bundle.tokenizer,
        max_tokens=int(config["max_tokens"]),
        card_parameters=parameters,
        data_digest=school.digest,
        figures=result.figures,
        **{key: config[key] for key in ("image_size", "known_words", "noise_width")},
    )

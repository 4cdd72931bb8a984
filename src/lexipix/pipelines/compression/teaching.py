"""What the trainings of smaller networks share: a trained generator teaches another one."""

from collections.abc import Callable, MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.compression import PrunedParameters, SmallParameters
from lexipix.config.run import RunParameters
from lexipix.networks.text_to_image import TextToImage
from lexipix.pipelines.compression.export import tokenizer_of
from lexipix.records import CheckpointStore, MetricStream, ModelBundle, Pictures, Split
from lexipix.reporting.plots import note
from lexipix.training.bundles import fingerprint, load_network, to_bundle
from lexipix.training.captioned import for_training
from lexipix.training.captions import CaptionRows
from lexipix.training.distillation import DistillationTask
from lexipix.training.loop import train
from lexipix.training.machine import resolve_device
from lexipix.training.seeding import seeded

Taught = tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]
# A teacher and its dictionary to a student's dictionary and the student
Make = Callable[[TextToImage, dict[str, Any]], tuple[dict[str, Any], TextToImage]]

CANONICAL_SHARE = 0.5


def not_taught(name: str, teacher_bundle: ModelBundle) -> Taught:
    """What stands in for a network that no form asks for: its teacher, no figures, a note as the sheet."""
    curves = pd.DataFrame({"images_seen": [], "seconds": []})
    return teacher_bundle, curves, {}, note(name, "compression.variants names no form of it: not taught")


def teach(
    name: str,
    teacher_bundle: ModelBundle,
    make: Make,
    parameters: SmallParameters | PrunedParameters,
    shares_reading: bool,
    run: RunParameters,
    pictures: Pictures,
    captions_complete: pd.DataFrame,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Taught:
    """Make a student and train it to draw what its teacher draws.

    Args:
        name: Of the training.
        teacher_bundle: The trained generator.
        make: Gives the student.
        parameters: What ``make`` works by, for the card and for resuming.
        shares_reading: Whether the student reads captions with the teacher's weights.
        run: Seed, device, precision.
        pictures: Whose captions are drawn; the pictures themselves are not looked at.
        captions_complete: Captions of the training split, the generated ones among them.
        machine_choices: What the probes of precision chose on this machine before.
        stream: Takes live figures.
        checkpoints: For resuming.

    Returns:
        The student, the curves and figures of its training, and a sheet of the teacher's pictures above its.
    """
    teacher = load_network(teacher_bundle)
    assert isinstance(teacher, TextToImage)
    device = resolve_device(run)
    with seeded(run.seed):
        network, student = make(teacher, dict(teacher_bundle.config["network"]))
    learn, validate = for_training(
        Split(pictures.train.images, captions_complete), pictures.val, "compression"
    )
    tokenizer, max_tokens = tokenizer_of(teacher_bundle), int(teacher_bundle.config["max_tokens"])
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, max_tokens, device)
        for part in (learn, validate)
    )
    task = DistillationTask(
        student,
        teacher,
        rows,
        val_rows,
        shares_reading=shares_reading,
        learning_rate=parameters.training.learning_rate,
        canonical_share=CANONICAL_SHARE,
        device=device,
    )
    digest = str(pictures.summary.get("digest", ""))
    result = train(
        task,
        parameters.training,
        run,
        name=name,
        fingerprint=fingerprint(name, parameters, run, digest, teacher_bundle),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    config = teacher_bundle.config
    bundle = to_bundle(
        "text_to_image",
        student,
        network,
        tokenizer=teacher_bundle.tokenizer,
        max_tokens=max_tokens,
        card_parameters=parameters,
        data_digest=digest,
        figures=result.figures,
        **{key: config[key] for key in ("image_size", "known_words", "noise_width")},
    )
    assert result.sheet is not None
    return bundle, pd.DataFrame(result.curves), result.figures, result.sheet

"""What the trainings of smaller networks share: a trained generator teaches another one."""

from collections.abc import Callable, MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.compression import CompressionParameters, PrunedParameters, SmallParameters
from lexipix.config.run import RunParameters
from lexipix.networks.text_to_image import TextToImage
from lexipix.pipelines.compression.champion import choose_family
from lexipix.pipelines.compression.export import tokenizer_of
from lexipix.pipelines.compression.forms import split_name
from lexipix.pipelines.compression.students import pruned, small
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
# Name -> a teacher, its dictionary and parameters to a student's dictionary and the student
STUDENTS: dict[str, Callable[[TextToImage, dict[str, Any], Any], tuple[dict[str, Any], TextToImage]]] = {
    "small": small,
    "pruned": pruned,
}
CANONICAL_SHARE = 0.5


def lesson(name: str) -> Callable[..., Taught]:
    """The step that makes a smaller network of the chosen family and lets the whole one teach it.

    Args:
        name: A key of :data:`STUDENTS`, whose parameters are ``compression.NAME``.

    Returns:
        A function that gives the student, the curves and figures of its training, and a sheet of the
        teacher's pictures above its own. Where no form of the student is asked for nothing is taught: the
        teacher stands in for it, without figures, and a note for the sheet.
    """

    def teach(
        compression: CompressionParameters,
        run: RunParameters,
        pictures: Pictures,
        captions_complete: pd.DataFrame,
        prior: ModelBundle,
        gan: ModelBundle,
        prior_figures: dict[str, Any],
        gan_figures: dict[str, Any],
        machine_choices: MutableMapping[str, str],
        stream: MetricStream,
        checkpoints: CheckpointStore,
    ) -> Taught:
        family = choose_family(compression.champion.family, {"vae": prior_figures, "gan": gan_figures})
        teacher_bundle = {"vae": prior, "gan": gan}[family]
        if all(split_name(variant)[0] != name for variant in compression.variants):
            curves = pd.DataFrame({"images_seen": [], "seconds": []})
            return (
                teacher_bundle,
                curves,
                {},
                note(name, "compression.variants names no form of it: not taught"),
            )
        parameters: SmallParameters | PrunedParameters = getattr(compression, name)
        teacher = load_network(teacher_bundle)
        assert isinstance(teacher, TextToImage)
        device = resolve_device(run)
        with seeded(run.seed):
            network, student = STUDENTS[name](teacher, dict(teacher_bundle.config["network"]), parameters)
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

    teach.__name__ = f"teach_{name}"
    return teach

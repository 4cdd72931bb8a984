"""What the trainings of the generator stage share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import nn

from lexipix.config.run import Parameters, RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.bundles import to_bundle, tokenizer_of
from lexipix.training.generator_validation import GeneratorData, GeneratorValidation
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingResult, TrainingTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import skipped, untrained
from lexipix.utils.types import ImageSplits, ModelBundle, Split

Outputs = tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]


@dataclass(frozen=True)
class TrainingSetup:
    """A training before its first step.

    Attributes:
        task: What the loop trains.
        network: The part of it that is shipped.
        config: From which the network can be built again.
    """

    task: TrainingTask
    network: nn.Module
    config: dict[str, Any]


def generator_data(
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    pair: ContrastivePair,
    run: RunParameters,
) -> GeneratorData:
    """Return the training images with their captions, the generated ones among them, and the validation."""
    train = Split(pictures.train.images, captions_complete)
    learn, validate = for_training(train, pictures.val, "generator")
    device = resolve_device(run)
    tokenizer = tokenizer_of(contrastive_pair)
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, contrastive_pair.config["max_tokens"], device)
        for part in (learn, validate)
    )
    validation = GeneratorValidation(validate.images, val_rows, validate.groups(), pair.image_encoder, device)
    return GeneratorData(learn.images, rows, learn.groups(), validation)


def text_config(contrastive_pair: ModelBundle) -> dict[str, Any]:
    """Return what the model folder of a generator holds about the captions it was trained on."""
    config = contrastive_pair.config
    return {
        "tokenizer": contrastive_pair.tokenizer,
        "max_tokens": config["max_tokens"],
        "image_size": config["image_size"],
        "known_words": config["known_words"],
    }


def outputs(
    kind: str, setup: TrainingSetup, result: TrainingResult, parameters: Parameters, digest: str, **extra: Any
) -> Outputs:
    """Return the outputs of a training: model, curves, metrics, and the last sample grid."""
    bundle = to_bundle(
        kind,
        setup.network,
        setup.config,
        card_parameters=parameters,
        data_digest=digest,
        figures=result.metrics,
        tokenizer=extra.pop("tokenizer", None),
        max_tokens=extra.pop("max_tokens", None),
        **extra,
    )
    assert result.sample_grid is not None
    return bundle, pd.DataFrame(result.curves), result.metrics, result.sample_grid


def skipped_outputs(key: str) -> Outputs:
    """Return the outputs of a training that the parameter ``key`` leaves out: no model, and an empty grid."""
    return skipped(f"{key} is false"), *untrained(), np.full((8, 8, 3), 255, np.uint8)


def require_one_tokenizer(contrastive_pair: ModelBundle, captioner: ModelBundle) -> None:
    """Check that text encoder and language model read the same token ids.

    Raises:
        LexipixError: Features and captioner come from different runs.
    """
    if contrastive_pair.tokenizer != captioner.tokenizer:
        raise LexipixError(
            "Text encoder and language model were trained with two tokenizers, and the generators need one: "
            "run `kedro run --pipelines features,captioner,generator` with features.tokenizer equal to "
            "captioner.language_model.path."
        )

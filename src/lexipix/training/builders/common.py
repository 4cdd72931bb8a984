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
from lexipix.data.images import Images
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.bundles import to_bundle, tokenizer_of
from lexipix.training.generator_validation import GeneratorValidation
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingResult
from lexipix.training.tasks.gan import GANTask
from lexipix.training.tasks.image_tokenizer import ImageTokenizerTask
from lexipix.training.tasks.prior import PriorTask
from lexipix.training.tasks.token_generator import TokenGeneratorTask
from lexipix.training.tasks.vae import VAETask
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import skipped, untrained
from lexipix.utils.types import ImageSplits, ModelBundle, Split


@dataclass(frozen=True)
class Captions:
    """The captioned training pictures, and how drawings from captions are validated."""

    images: Images
    rows: CaptionRows
    groups: NDArray[np.int64]
    validation: GeneratorValidation


@dataclass(frozen=True)
class Made:
    """A training before its first step.

    Attributes:
        task: What the loop trains.
        network: What is shipped of it.
        config: What the network can be built from again.
    """

    task: VAETask | PriorTask | GANTask | ImageTokenizerTask | TokenGeneratorTask
    network: nn.Module
    config: dict[str, Any]


def captions_for(
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    pair: ContrastivePair,
    run: RunParameters,
) -> Captions:
    """Training pictures with their captions, the generated ones among them."""
    train = Split(pictures.train.images, captions_complete)
    learn, validate = for_training(train, pictures.val, "generator")
    device = resolve_device(run)
    tokenizer = tokenizer_of(contrastive_pair)
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, contrastive_pair.config["max_tokens"], device)
        for part in (learn, validate)
    )
    validation = GeneratorValidation(validate.images, val_rows, validate.groups(), pair.image_encoder, device)
    return Captions(learn.images, rows, learn.groups(), validation)


def reads(contrastive_pair: ModelBundle) -> dict[str, Any]:
    """What a model that reads captions must remember of how they were read in training."""
    config = contrastive_pair.config
    return {
        "tokenizer": contrastive_pair.tokenizer,
        "max_tokens": config["max_tokens"],
        "image_size": config["image_size"],
        "known_words": config["known_words"],
    }


def finish(
    kind: str, made: Made, result: TrainingResult, parameters: Parameters, digest: str, **extra: Any
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]:
    """Make the outputs of a training: model, curves, figures, and the last sheet of samples."""
    bundle = to_bundle(
        kind,
        made.network,
        made.config,
        card_parameters=parameters,
        data_digest=digest,
        figures=result.figures,
        tokenizer=extra.pop("tokenizer", None),
        max_tokens=extra.pop("max_tokens", None),
        **extra,
    )
    assert result.sheet is not None
    return bundle, pd.DataFrame(result.curves), result.figures, result.sheet


def leave_out(key: str) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]:
    """Make the outputs of a training that a parameter, ``key``, leaves out: no model, and an empty sheet."""
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

"""The captions that conditional generators learn from."""

from collections.abc import Callable
from typing import Any

import pandas as pd

from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.text_encoder import TextEncoder
from lexipix.training.builders.common import TrainingSetup
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.generator_validation import GeneratorData, GeneratorValidation
from lexipix.training.precision import resolve_device
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ImageSplits, ModelBundle, Split


def generator_data(
    image_splits: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    run: RunParameters,
) -> GeneratorData:
    """Return the training images with their captions, the generated ones among them, and the validation."""
    train = Split(image_splits.train.images, captions_complete)
    learn, validate = for_training(train, image_splits.val, "generator")
    device, tokenizer = resolve_device(run), tokenizer_of(contrastive_pair)
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, contrastive_pair.config["max_tokens"], device)
        for part in (learn, validate)
    )
    encoder = load_network(contrastive_pair, ContrastivePair).image_encoder
    validation = GeneratorValidation(validate.images, val_rows, validate.groups(), encoder)
    return GeneratorData(learn.images, rows, learn.groups(), validation)


def build_conditional(
    build: Callable[..., TrainingSetup],
    image_splits: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    run: RunParameters,
    **arguments: Any,
) -> TrainingSetup:
    """Return what the builder of a conditional generator makes of :func:`generator_data`."""
    data = generator_data(image_splits, captions_complete, contrastive_pair, run)
    return build(run=run, data=data, contrastive_pair=contrastive_pair, **arguments)


def text_bundle(contrastive_pair: ModelBundle, noise_dim: int) -> dict[str, Any]:
    """Return what the model folder of a generator holds about its inputs."""
    config = contrastive_pair.config
    return {
        "tokenizer": contrastive_pair.tokenizer,
        "image_size": config["image_size"],
        "image_channels": config["image_channels"],
        "known_words": config["known_words"],
        "noise_dim": noise_dim,
        "max_tokens": config["max_tokens"],
    }


def shared_text_encoder(contrastive_pair: ModelBundle, captioner: ModelBundle) -> TextEncoder:
    """Return the text encoder of a pair whose token ids the captioner's language model reads too.

    Raises:
        LexipixError: The two, from different runs, have different tokenizers.
    """
    text_encoder = load_network(contrastive_pair, ContrastivePair).text_encoder
    if contrastive_pair.tokenizer != captioner.tokenizer or not isinstance(text_encoder, TextEncoder):
        raise LexipixError(
            "Text encoder and language model were trained with two tokenizers, and the generators need one: "
            "run `kedro run --pipelines features,captioner,generator` with features.tokenizer equal to "
            "captioner.language_model.path."
        )
    return text_encoder

"""The training of the contrastive pair that the parameters describe."""

import logging
from collections.abc import Iterable
from typing import Any

from tokenizers import Tokenizer

from lexipix.config.features import (
    IMAGE_ENCODER_SIZES,
    PRETRAINED_EMBED_DIM,
    FeaturesParameters,
)
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.data.tokenization import train_feature_tokenizer, train_tokenizer
from lexipix.models.blocks import folding
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.builders.common import (
    PretrainedModels,
    TrainingSetup,
    image_shape,
    report_cut_captions,
)
from lexipix.training.bundles import known_words
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.contrastive import ContrastiveTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits

logger = logging.getLogger(__name__)

BAG_DROPOUT = 0.2  # of the hidden layer of a bag of features


def build_contrastive_pair(
    run: RunParameters,
    parameters: FeaturesParameters,
    image_splits: ImageSplits,
    pretrained: PretrainedModels,
) -> TrainingSetup:
    """Return an image encoder and a text encoder, and their training on the captioned images."""
    device = resolve_device(run)
    learn, validate = for_training(image_splits.train, image_splits.val, "features")
    if len(set(learn.captions)) == 1:
        logger.warning(
            "features: every caption is %r, so that no prompt can choose among images: give the images their "
            "own captions (a metadata.jsonl, a NAME.txt beside each image, or a folder for each class).",
            learn.captions[0],
        )
    backbone = None
    shape = image_shape(image_splits)
    image_encoder: dict[str, Any] = {
        **IMAGE_ENCODER_SIZES[parameters.image_encoder.size]._asdict(),
        "image_channels": shape["image_channels"],
        "fold": folding(shape["image_size"]),
    }
    if parameters.image_encoder.source == "pretrained":
        assert parameters.image_encoder.path is not None  # the parameters are validated
        backbone = pretrained.backbone(parameters.image_encoder.path, "features.image_encoder.path")
        image_encoder = {
            "backbone": backbone.model.config.to_dict(),
            "mean": list(backbone.mean),
            "std": list(backbone.std),
            "embed_dim": PRETRAINED_EMBED_DIM,
        }
    tokenizer, text_encoder = _text_input(parameters, learn.all_captions(), pretrained)
    report_cut_captions(tokenizer, learn.all_captions(), parameters.max_tokens, "features.max_tokens")
    config: dict[str, Any] = {
        "image_encoder": image_encoder,
        "text_encoder": {**text_encoder, "embed_dim": image_encoder["embed_dim"]},
        "n_predicted": tokenizer.get_vocab_size() if parameters.words_weight else 0,
    }
    with seeded(run.seed):
        pair = ContrastivePair.from_config(config)
    if backbone is not None:
        pair.image_encoder.get_submodule("backbone").load_state_dict(backbone.model.state_dict())
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, parameters.max_tokens, device)
        for part in (learn, validate)
    )
    task = ContrastiveTask(
        pair,
        learn.images,
        rows,
        learn.groups(),
        (validate.images, val_rows, validate.groups()),
        learning_rate=parameters.training.learning_rate,
        words_weight=parameters.words_weight,
        augment=parameters.augment,
        flip=parameters.flip,
    )
    bundle = {
        "tokenizer": tokenizer,
        **shape,
        "known_words": known_words(learn.all_captions()),
        "max_tokens": parameters.max_tokens,
    }
    return TrainingSetup(task, pair, config, parameters, bundle=bundle)


def _text_input(
    parameters: FeaturesParameters, captions: Iterable[str], pretrained: PretrainedModels
) -> tuple[Tokenizer, dict[str, Any]]:
    """Return the tokenizer, and the options of the text encoder without the length of the embedding."""
    text = parameters.text_encoder
    if text.kind == "bag_of_features":
        made = train_feature_tokenizer(captions, parameters.vocabulary)
        size = made.tokenizer.get_vocab_size()
        options = {"n_silent": made.n_silent, "width": text.width, "dropout": BAG_DROPOUT}
        return made.tokenizer, {"vocabulary": size, **options}
    if parameters.tokenizer is None:
        tokenizer = train_tokenizer(captions, parameters.vocabulary)
    else:
        tokenizer = Tokenizer.from_str(pretrained.tokenizer(parameters.tokenizer, "features.tokenizer"))
    options = {"max_tokens": parameters.max_tokens, "width": text.width, "depth": text.depth}
    return tokenizer, {"vocabulary": tokenizer.get_vocab_size(), **options}

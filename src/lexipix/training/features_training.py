"""Trains the contrastive pair of the features stage: an image encoder and a text encoder."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.config.features import FeaturesParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import CaptionedImages, for_training
from lexipix.data.images import ImageRows, Images
from lexipix.data.tokenization import train_tokenizer
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.builders.contrastive_pair import Pretrained, make_pair
from lexipix.training.bundles import fingerprint, known_words, to_bundle
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.contrastive import ContrastiveTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

logger = logging.getLogger(__name__)

EMBEDDING_BATCH = 256


def run_features_training(
    parameters: FeaturesParameters,
    run: RunParameters,
    pictures: ImageSplits,
    pretrained_models: Pretrained,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Trains the encoders on the captioned training images.

    Returns:
        The pair with its tokenizer, the curves of the training, and its metrics.
    """
    device = resolve_device(run)
    digest = pictures.digest
    learn, validate = for_training(pictures.train, pictures.val, "features")
    _warn_of_equal_captions(learn)
    tokenizer = _tokenizer(parameters, learn, pretrained_models)
    with seeded(run.seed):
        pair, config = make_pair(parameters, tokenizer.get_vocab_size(), pretrained_models)
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
        device=device,
    )
    result = train(
        task,
        parameters.training,
        run,
        name="features",
        key="features.training",
        fingerprint=fingerprint(parameters, run, digest),
        stream=stream,
        checkpoints=checkpoints,
    )
    bundle = to_bundle(
        "contrastive_pair",
        pair,
        config,
        tokenizer=tokenizer,
        max_tokens=parameters.max_tokens,
        card_parameters=parameters,
        data_digest=digest,
        figures=result.metrics,
        image_size=int(pictures.train.images.shape[1]),
        known_words=known_words(learn.all_captions()),
    )
    return bundle, pd.DataFrame(result.curves), result.metrics


def embed_images(pair: ContrastivePair, images: Images, device: torch.device) -> NDArray[np.float32]:
    """Returns unit embeddings of images, uint8 (N, S, S, 3): float32 (N, D)."""
    pair.to(device)
    rows = ImageRows(images, device)
    embeddings = np.empty((len(rows), pair.image_encoder.project.out_features), np.float32)
    with torch.inference_mode():
        for batch in torch.arange(len(rows)).split(EMBEDDING_BATCH):
            embeddings[batch.numpy()] = pair.image_encoder(rows[batch]).embedding.float().cpu().numpy()
    return embeddings


def _warn_of_equal_captions(data: CaptionedImages) -> None:
    if len(set(data.captions)) == 1:
        logger.warning(
            "features: every caption is %r, so that no prompt can choose among images: give the images their "
            "own captions (a metadata.jsonl, a NAME.txt beside each image, or a folder for each class).",
            data.captions[0],
        )


def _tokenizer(parameters: FeaturesParameters, data: CaptionedImages, pretrained: Pretrained) -> Tokenizer:
    """The tokenizer of a pretrained language model, or one trained on the captions."""
    if parameters.tokenizer is None:
        return train_tokenizer(data.all_captions(), parameters.vocabulary)
    return Tokenizer.from_str(pretrained.tokenizer(parameters.tokenizer, "features.tokenizer"))

"""Steps of the features stage."""

import logging
from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.config.features import FeaturesParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.data.images import ImageRows
from lexipix.data.tokenization import train_tokenizer
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.builders.contrastive_pair import Pretrained, make_pair
from lexipix.training.bundles import fingerprint, known_words, load_network, to_bundle
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.contrastive import ContrastiveTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

logger = logging.getLogger(__name__)

EXPORT_BATCH = 256


def train_features(
    features: FeaturesParameters,
    run: RunParameters,
    pictures: ImageSplits,
    pretrained_models: Pretrained,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Train image encoder and text encoder to agree on the captioned training pictures.

    Returns:
        The pair with its tokenizer, the curves of the training, and its figures.
    """
    device = resolve_device(run)
    digest = pictures.digest
    learn, validate = for_training(pictures.train, pictures.val, "features")
    if len(set(learn.captions)) == 1:
        logger.warning(
            "features: every caption is %r, so that pictures can be drawn, but not asked for: give them "
            "captions of their own (a metadata.jsonl, a NAME.txt beside each, or a folder for each class).",
            learn.captions[0],
        )
    if features.tokenizer is None:
        tokenizer = train_tokenizer(learn.wordings(), features.vocabulary)
    else:
        tokenizer = Tokenizer.from_str(pretrained_models.tokenizer(features.tokenizer, "features.tokenizer"))
    with seeded(run.seed):
        pair, config = make_pair(features, tokenizer.get_vocab_size(), pretrained_models)
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, features.max_tokens, device)
        for part in (learn, validate)
    )
    task = ContrastiveTask(
        pair,
        learn.images,
        rows,
        learn.groups(),
        (validate.images, val_rows, validate.groups()),
        learning_rate=features.training.learning_rate,
        words_weight=features.words_weight,
        augment=features.augment,
        flip=features.flip,
        device=device,
    )
    result = train(
        task,
        features.training,
        run,
        name="features",
        fingerprint=fingerprint(features, run, digest),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    bundle = to_bundle(
        "contrastive_pair",
        pair,
        config,
        tokenizer=tokenizer,
        max_tokens=features.max_tokens,
        card_parameters=features,
        data_digest=digest,
        figures=result.figures,
        image_size=int(pictures.train.images.shape[1]),
        known_words=known_words(learn.wordings()),
    )
    return bundle, pd.DataFrame(result.curves), result.figures


def export_features(
    run: RunParameters, contrastive_pair: ModelBundle, pictures: ImageSplits
) -> dict[str, NDArray[np.float32]]:
    """Give the vector of every picture that the models may see.

    Returns:
        Unit vectors, float32 (N, D), for train, val and test.
    """
    pair = load_network(contrastive_pair)
    assert isinstance(pair, ContrastivePair)
    device = resolve_device(run)
    pair.to(device)
    width = pair.image_encoder.project.out_features
    vectors = {}
    for name in ("train", "val", "test"):
        images = ImageRows(pictures[name].images, device)
        vectors[name] = np.empty((len(images), width), np.float32)
        with torch.inference_mode():
            for rows in torch.arange(len(images)).split(EXPORT_BATCH):
                vectors[name][rows.numpy()] = pair.image_encoder(images[rows]).vector.float().cpu().numpy()
    return vectors

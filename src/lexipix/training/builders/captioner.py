"""The training of the captioner that the parameters describe."""

from collections.abc import Mapping
from typing import Any

import torch
from tokenizers import Tokenizer

from lexipix.config.captioner import LANGUAGE_MODEL_SIZES, CaptionerParameters
from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.captioned import for_training
from lexipix.data.tokenization import eos_id, pad_id, train_tokenizer
from lexipix.models.captioner import PREFIX_SIDE, Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.image_encoder import ImageEncoder
from lexipix.models.language_model import small_gpt2
from lexipix.training.builders.common import PretrainedModels, TrainingSetup, report_cut_captions
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.captioner import CaptionerTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits, ModelBundle

PATH_KEY = "captioner.language_model.path"


def build_captioner(
    run: RunParameters,
    parameters: CaptionerParameters,
    image_splits: ImageSplits,
    contrastive_pair: ModelBundle,
    pretrained: PretrainedModels,
) -> TrainingSetup:
    """Return a language model on the image encoder of the features stage, and its training."""
    device = resolve_device(run)
    learn, validate = for_training(image_splits.train, image_splits.val, "captioner")
    own = parameters.tokenizer
    max_tokens = contrastive_pair.config["max_tokens"] if own is None else own.max_tokens
    pair = load_network(contrastive_pair, ContrastivePair)
    is_pretrained = parameters.language_model.source == "pretrained"
    has_prefix = is_pretrained or parameters.conditioning == "prefix"
    with seeded(run.seed):
        if is_pretrained:
            model, tokenizer, start = _pretrained(parameters, max_tokens, pretrained)
        else:
            tokenizer = (
                tokenizer_of(contrastive_pair)
                if own is None
                else train_tokenizer(learn.all_captions(), own.vocabulary)
            )
            start = eos_id(tokenizer)
            key = "features.max_tokens" if own is None else "captioner.tokenizer.max_tokens"
            report_cut_captions(tokenizer, learn.all_captions(), max_tokens, key)
            model = small_gpt2(
                tokenizer.get_vocab_size(),
                max_tokens + 1 + (PREFIX_SIDE**2 if has_prefix else 0),
                *LANGUAGE_MODEL_SIZES[parameters.language_model.size],
                start,
                cross_attention=not has_prefix,
            )
        options: dict[str, Any] = {
            "conditioning": "prefix" if has_prefix else "cross_attention",
            "cells": _cells(pair.image_encoder, contrastive_pair.config),
            "start_id": start,
            "pad_id": pad_id(tokenizer),
            "eos_id": eos_id(tokenizer),
        }
        captioner = Captioner(pair.image_encoder, model, **options)
    config = {
        "image_encoder": contrastive_pair.config["network"]["image_encoder"],
        "language_model": model.config.to_dict(),
        **options,
    }
    rows, val_rows = (
        CaptionRows(part.captions, part.paraphrases, tokenizer, max_tokens, device)
        for part in (learn, validate)
    )
    task = CaptionerTask(captioner, learn.images, rows, (validate.images, val_rows), parameters)
    bundle = {
        "tokenizer": tokenizer,
        "max_tokens": max_tokens,
        **{key: contrastive_pair.config[key] for key in ("image_size", "image_channels", "known_words")},
    }
    return TrainingSetup(task, captioner, config, parameters, (contrastive_pair,), bundle)


@torch.no_grad()
def _cells(image_encoder: ImageEncoder, config: Mapping[str, Any]) -> int:
    """The number of cells of the grid of an image of the model that ``config`` describes."""
    side = config["image_size"]
    features = image_encoder(torch.zeros(1, config["image_channels"], side, side))
    return int(features.grid.shape[1])


def _pretrained(
    parameters: CaptionerParameters, max_tokens: int, pretrained: PretrainedModels
) -> tuple[Any, Tokenizer, int]:
    path = parameters.language_model.path
    assert path is not None  # the parameters are validated
    found = pretrained.language_model(path, PATH_KEY)
    longest = getattr(found.model.config, "max_position_embeddings", None)
    if longest is not None and longest < max_tokens + 1 + PREFIX_SIDE**2:
        raise LexipixError(
            f"{PATH_KEY} = {path!r} reads {longest} tokens at most, and {PREFIX_SIDE**2} for the image and "
            f"{max_tokens + 1} for the caption are needed: lower max_tokens (of captioner.tokenizer, or of "
            "features if that is null) or choose another one."
        )
    return found.model, Tokenizer.from_str(found.tokenizer), found.start_id

"""The captioner that the parameters describe."""

from typing import Any, Protocol

from tokenizers import Tokenizer

from lexipix.config.captioner import LANGUAGE_MODEL_SIZES, CaptionerParameters
from lexipix.data.tokenization import eos_id, pad_id
from lexipix.models.captioner import PREFIX_SIDE, Captioner, Conditioning
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.language_model import small_gpt2
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle, PretrainedLanguageModel

PATH_KEY = "captioner.language_model.path"


class LanguageModels(Protocol):
    """What the catalog entry ``pretrained_models`` gives."""

    def language_model(self, path: str, key: str) -> PretrainedLanguageModel:
        """Read a causal language model from a folder or by name."""


def make_captioner(
    parameters: CaptionerParameters, contrastive_pair: ModelBundle, pretrained: LanguageModels
) -> tuple[Captioner, dict[str, Any], Tokenizer]:
    """Put a language model on the image encoder of the features stage.

    Weights that nobody has trained yet come from torch's global generator.

    Returns:
        The network, its description, and the tokenizer of the language model.
    """
    pair = load_network(contrastive_pair, ContrastivePair)
    max_tokens, image_size = contrastive_pair.config["max_tokens"], contrastive_pair.config["image_size"]
    conditioning: Conditioning = "prefix"
    if parameters.language_model.source == "pretrained":
        model, tokenizer, start = _pretrained(parameters, max_tokens, pretrained)
    else:
        if parameters.conditioning != "prefix":
            conditioning = "cross_attention"
        tokenizer = tokenizer_of(contrastive_pair)
        width, depth = LANGUAGE_MODEL_SIZES[parameters.language_model.size]
        start = eos_id(tokenizer)
        model = small_gpt2(
            tokenizer.get_vocab_size(),
            max_tokens + 1 + (PREFIX_SIDE**2 if conditioning == "prefix" else 0),
            width,
            depth,
            eos_id(tokenizer),
            cross_attention=conditioning == "cross_attention",
        )
    cells = (image_size // 4) ** 2  # the grid has a quarter of the image's side
    ids = {"start_id": start, "pad_id": pad_id(tokenizer), "eos_id": eos_id(tokenizer)}
    config = {
        "image_encoder": contrastive_pair.config["network"]["image_encoder"],
        "language_model": model.config.to_dict(),
        "conditioning": conditioning,
        "cells": cells,
        **ids,
    }
    return Captioner(pair.image_encoder, model, conditioning, cells, **ids), config, tokenizer


def _pretrained(
    parameters: CaptionerParameters, max_tokens: int, pretrained: LanguageModels
) -> tuple[Any, Tokenizer, int]:
    path = parameters.language_model.path
    assert path is not None  # the parameters are validated
    found = pretrained.language_model(path, PATH_KEY)
    longest = getattr(found.model.config, "max_position_embeddings", None)
    if longest is not None and longest < max_tokens + 1 + PREFIX_SIDE**2:
        raise LexipixError(
            f"{PATH_KEY} = {path!r} reads {longest} tokens at most, and {PREFIX_SIDE**2} for the image and "
            f"{max_tokens + 1} for the caption are needed: lower features.max_tokens or choose another one."
        )
    return found.model, Tokenizer.from_str(found.tokenizer), found.start_id

"""A small retrieval generator that was exported, with captions and prompts for it."""

import numpy as np
import pandas as pd
import torch
from tests.support.parameters import section
from tests.support.retrieval import N_IMAGES, SIZE, make_retrieval_generator

from lexipix.compression.export import Exporter
from lexipix.data.tokenization import encode, eos_id, pad_id, train_tokenizer
from lexipix.training.bundles import to_bundle
from lexipix.utils.types import ImageSplits, Split

CAPTIONS = [f"{color} {thing}, pixel art" for color in ("red", "blue") for thing in ("duck", "dog", "star")]
NEW = ["red dog", "blue", "a duck of pixel art that is both red and blue, and a star"]
MAX_TOKENS = 40


def make_bundle(known_words=("red",)):
    """The generator; its images have alpha, and what it draws is no copy of them."""
    tokenizer = train_tokenizer(CAPTIONS, 300)
    ids = torch.from_numpy(encode(tokenizer, CAPTIONS, MAX_TOKENS))
    model, config, _ = make_retrieval_generator(
        ids, tokenizer.get_vocab_size(), pad_id(tokenizer), eos_id(tokenizer)
    )
    torch.nn.init.normal_(model.editor.pixel_out.weight, std=0.1)
    torch.nn.init.normal_(model.editor.rank_mlp[2].weight, std=0.1)
    return to_bundle(
        model.kind, model, config, tokenizer=tokenizer, max_tokens=MAX_TOKENS, card_parameters={},
        data_digest="d", metrics={}, image_size=SIZE, image_channels=4, noise_dim=4,
        known_words=list(known_words),
    )  # fmt: skip


def export_bundle(bundle):
    """The generator as ONNX graphs with its memory."""
    table = pd.DataFrame({"caption": CAPTIONS})
    split = Split(np.zeros((N_IMAGES, SIZE, SIZE, 4), np.uint8), table)
    splits = ImageSplits(split, split, split, split, {}, table)
    return Exporter(splits, section("compression.verification")).generator(bundle)

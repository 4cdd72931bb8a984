"""Untrained models of the real kinds, as small as they can be."""

import numpy as np
import pandas as pd
import pytest
import torch

from lexipix.data.tokenization import EOS_ID, PAD_ID, train_tokenizer
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.language_model import small_gpt2
from lexipix.models.text_to_image import TextToImage
from lexipix.scenes import caption, paraphrases, render_many, sample_scene
from lexipix.training.bundles import to_bundle
from lexipix.utils.types import ImageSplits, Split

VOCABULARY, MAX_TOKENS, WIDTH = 300, 40, 32
KINDS = {network.kind: network for network in (Captioner, ContrastivePair, TextToImage)}


def split(n, seed):
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng) for _ in range(n)]
    captions = [caption(scene) for scene in scenes]
    table = pd.DataFrame({"caption": captions, "paraphrases": [list(paraphrases(one)) for one in scenes]})
    return Split(render_many(scenes, rng), table)


@pytest.fixture(scope="session")
def image_splits():
    return ImageSplits(
        train=split(40, 0),
        val=split(12, 1),
        test=split(4, 2),
        pairs=split(4, 3),
        summary={"source": "scenes"},
    )


@pytest.fixture(scope="session")
def make(image_splits):
    """Gives a bundle of a kind with random weights."""
    tokenizer = train_tokenizer(image_splits.train.captions["caption"], VOCABULARY)
    language_model = small_gpt2(VOCABULARY, MAX_TOKENS + 17, WIDTH, 1, EOS_ID).config.to_dict()
    image_encoder = {"channels": [8, 12, 16], "blocks": [1, 1, 1], "embed_dim": 16}
    text_encoder = {
        "vocabulary": VOCABULARY, "max_tokens": MAX_TOKENS, "width": WIDTH, "depth": 1, "embed_dim": 16
    }  # fmt: skip
    ends = {"start_id": EOS_ID, "pad_id": PAD_ID, "eos_id": EOS_ID}
    captioner = {"image_encoder": image_encoder, "language_model": language_model, "cells": 64, **ends}
    networks = {
        "text_to_image": {
            "language_model": language_model,
            "text_encoder": text_encoder,
            "prior": {
                "text_width": 2 * WIDTH, "embed_dim": 16, "latent_channels": 4, "width": WIDTH, "depth": 1,
                "noise_dim": 8,
            },
            "decoder": {"patch": 4, "latent_channels": 4, "width": 16, "depth": 1},
            "pad_id": PAD_ID,
        },
        "captioner": {**captioner, "conditioning": "cross_attention"},
        "captioner_with_prefix": {**captioner, "conditioning": "prefix"},
        "contrastive_pair": {
            "image_encoder": image_encoder, "text_encoder": text_encoder, "n_predicted": VOCABULARY
        },
    }  # fmt: skip
    upsampling = {"image_size": 32, "latent_channels": 4, "width": 16}
    networks["text_to_image_upsampling"] = {**networks["text_to_image"], "decoder": upsampling}

    def go(name, seed=0):
        kind = next(kind for kind in KINDS if name.startswith(kind))
        torch.manual_seed(seed)
        module = KINDS[kind].from_config(networks[name])
        with torch.no_grad():  # what starts at zero would hide a mistake
            for parameter in module.parameters():
                if not parameter.abs().sum():
                    parameter.normal_(std=0.1)
        return to_bundle(
            kind, module, networks[name], tokenizer=tokenizer, max_tokens=MAX_TOKENS,
            card_parameters={"primary_caption_prob": 0.5}, data_digest="d",
            metrics={"val_alignment": seed / 10, "val_similarity": 0.8, "val_flat_ripple": 1.0},
            image_size=32, image_channels=3, known_words=["circle", "red"], noise_dim=8,
        )  # fmt: skip

    return go


@pytest.fixture(scope="session")
def prior(make):
    return make("text_to_image", 1)


@pytest.fixture(scope="session")
def gan(make):
    return make("text_to_image", 2)

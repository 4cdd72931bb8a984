"""Scenes in memory with untrained models, on which every step of the evaluation runs in a second or two."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import MemoryDataset
from onnx import TensorProto
from tests.support.exported_models import graph
from tests.support.parameters import section

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import normalize
from lexipix.data.tokenization import EOS_ID, PAD_ID, train_tokenizer
from lexipix.evaluation import text_paths
from lexipix.models.captioner import Captioner
from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.language_model import small_gpt2
from lexipix.models.token_generator import CELLS
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.vae import VAE
from lexipix.scenes import caption, paraphrases, render_many, sample_scene
from lexipix.training.bundles import to_bundle
from lexipix.utils.types import ImageSplits, ModelBundle, OnnxModel, Split


class ListStream:
    """A metric stream that keeps what it is given."""

    def __init__(self) -> None:
        self.rows: list[tuple[int, dict[str, float]]] = []

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        self.rows.append((images_seen, dict(values)))

    def image(self, key: str, images_seen: int, image: np.ndarray) -> None:
        pass


class NoCheckpoints:
    """A checkpoint store that keeps nothing."""

    def save(self, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any]) -> None:
        pass

    def load(self) -> None:
        return None

    def clear(self) -> None:
        pass


class Kept(MemoryDataset):
    """Keeps its data after the last node that reads it."""

    def _release(self) -> None:
        pass


def split_of_scenes(n: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng) for _ in range(n)]
    table = pd.DataFrame(
        {
            "file": [f"{seed}-{i}.png" for i in range(n)],
            "caption": [caption(scene) for scene in scenes],
            "caption_source": "given",
            "paraphrases": [list(paraphrases(scene)) for scene in scenes],
            "label": None,
            "digest": [f"{seed}{i:08x}" for i in range(n)],
            "withheld_caption": None,
        }
    )
    return Split(render_many(scenes, rng), table)


@pytest.fixture(scope="session")
def image_splits() -> ImageSplits:
    sizes = {"train": 40, "val": 8, "test": 30, "pairs": 12}
    splits = {name: split_of_scenes(n, seed) for seed, (name, n) in enumerate(sizes.items())}
    summary = {f"n_{name}": n for name, n in sizes.items()} | {
        "source": "scenes", "rejected": 2, "uncaptioned": 0, "image_size": 32, "digest": "0123456789abcdef",
    }  # fmt: skip
    return ImageSplits(**splits, summary=summary)


@pytest.fixture(scope="session")
def test_captions(image_splits: ImageSplits) -> pd.DataFrame:
    """Captions of a captioner that is right about all images but the first."""
    truths = image_splits.test.captions["caption"].tolist()
    return pd.DataFrame(
        {
            "file": image_splits.test.captions["file"],
            "caption": ["nothing on white", *truths[1:]],
            "truth": truths,
        }
    )


@pytest.fixture(scope="session")
def run() -> RunParameters:
    return section("run", {"seed": 3, "device": "cpu", "precision": "fp32", "threads": 1})


@pytest.fixture(scope="session")
def evaluation() -> EvaluationParameters:
    evaluator = {
        "width": 8, "text_width": 32, "embed_dim": 16, "vocabulary": 300,
        "training.num_images": 96, "training.batch_size": 16, "training.num_validations": 2,
    }  # fmt: skip
    return section(
        "evaluation",
        {f"evaluator.{name}": value for name, value in evaluator.items()}
        | {
            "kid_subsets": 3, "kid_subset_size": 20, "n_shown": 4, "n_extremes": 2, "batch_size": 16,
            "n_prompts": 20, "memorization.n_drawn": 10, "memorization.n_shown": 4,
            "rate.n_images": 5, "rate.bits": [2, 8], "rate.steps": [1.0, 8.0], "rate.qualities": [10, 95],
            "information.n_images": 6, "information.spacings": [4], "information.steps": [1.0, 8.0],
        },
    )  # fmt: skip


@pytest.fixture(scope="session")
def vae() -> ModelBundle:
    config = {"patch": 4, "latent_channels": 4, "width": 16, "depth": 1}
    torch.manual_seed(0)
    return to_bundle(
        "vae", VAE(**config), config, card_parameters={},
        data_digest="d", metrics={},
    )  # fmt: skip


class ToyTextToImage(ConfigurableNetwork):
    """Draws one color for each caption and noise, with the interface of a text-to-image model."""

    kind = "toy_text_to_image"

    def __init__(self, vocabulary: int, noise_dim: int) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        self.colors = torch.nn.EmbeddingBag(vocabulary, 3, padding_idx=PAD_ID)
        self.noise = torch.nn.Linear(noise_dim, 3)

    def forward(self, ids: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        color = torch.tanh(self.colors(ids) + self.noise(noise))
        return color[:, :, None, None].expand(-1, -1, 32, 32)


@pytest.fixture(scope="session")
def shipped(image_splits: ImageSplits) -> OnnxModel:
    """A toy that draws one color for each caption and noise, as it runs without torch."""
    tokenizer = train_tokenizer(image_splits.train.captions["caption"], 300)
    rng = np.random.default_rng(0)
    read = graph(
        [("Gather", "table ids", "each", {}),
         ("ReduceMean", "each", "grid", {"axes": [1], "keepdims": 0})],
        [("ids", TensorProto.INT64, ["b", "l"])],
        "grid",
        table=rng.normal(size=(300, 3)).astype("f4"),
    )  # fmt: skip
    draw = graph(
        [("MatMul", "noise map", "moved", {}), ("Add", "grid moved", "sum", {}), ("Tanh", "sum", "color", {}),
         ("Abs", "color", "positive", {}), ("Mul", "positive most", "levels", {}),
         ("Cast", "levels", "numbers", {"to": TensorProto.UINT8}),
         ("Reshape", "numbers shape", "one", {}), ("Tile", "one repeats", "pixels", {})],
        [("noise", TensorProto.FLOAT, ["b", 8]), ("grid", TensorProto.FLOAT, ["b", 3])],
        "pixels",
        map=rng.normal(size=(8, 3)).astype("f4"), most=np.array(255, np.float32),
        shape=np.array([-1, 1, 1, 3]), repeats=np.array([1, 32, 32, 1]),
    )  # fmt: skip
    config = {"max_tokens": 48, "image_size": 32, "image_channels": 3, "noise_dim": 8, "known_words": []}
    return OnnxModel(config, {"read": read, "draw": draw}, tokenizer.to_str())


@pytest.fixture(scope="session")
def prior(image_splits: ImageSplits) -> Iterator[ModelBundle]:
    tokenizer = train_tokenizer(image_splits.train.captions["caption"], 300)
    config = {"vocabulary": tokenizer.get_vocab_size(), "noise_dim": 8}
    torch.manual_seed(1)
    bundle = to_bundle(
        "toy_text_to_image", ToyTextToImage(**config), config, tokenizer=tokenizer, max_tokens=48,
        card_parameters={}, data_digest="d", metrics={},
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_paths, "TEXT_MODELS", (*text_paths.TEXT_MODELS, ToyTextToImage))
        yield bundle


@pytest.fixture(scope="session")
def tokens(image_splits: ImageSplits) -> ModelBundle:
    """An untrained image tokenizer, and an untrained token generator with confident predictions."""
    tokenizer = train_tokenizer(image_splits.train.captions["caption"], 300)
    levels = [[8, 8, 4], [3, 3]]
    torch.manual_seed(2)
    model = small_gpt2(
        tokenizer.get_vocab_size() + 256 + 9 + 2, 48 + CELLS, 32, 1, EOS_ID, cross_attention=False
    )
    config = {
        "token_generator": {
            "language_model": model.config.to_dict(), "decoding_steps": [1, 1],
            "local_conv_depth": 1, "pad_id": PAD_ID,
        },
        "image_tokenizer": {"image_size": 32, "levels": levels, "width": 8, "depth": 1},
        "text_encoder": {
            "vocabulary": tokenizer.get_vocab_size(), "max_tokens": 48, "width": 32, "depth": 1,
            "embed_dim": 8,
        },
    }  # fmt: skip
    network = TokensToImage.from_config(config)
    torch.nn.init.normal_(network.token_generator.logit_scales, std=20.0)
    network.image_tokenizer.init_from_pca(normalize(torch.from_numpy(image_splits.train.images)))
    return to_bundle(
        "tokens_to_image", network, config, tokenizer=tokenizer, max_tokens=48, card_parameters={},
        data_digest="d", metrics={"precision": "cpu/fp32"}, image_size=32, image_channels=3,
        known_words=["red", "circle", "star"], noise_dim=network.noise_dim,
    )  # fmt: skip


@pytest.fixture(scope="session")
def captioner(image_splits: ImageSplits) -> ModelBundle:
    """An untrained captioner, for which every token is about as likely."""
    tokenizer = train_tokenizer(image_splits.train.captions["caption"], 300)
    torch.manual_seed(4)
    speaker = small_gpt2(tokenizer.get_vocab_size(), 49, 32, 1, EOS_ID)
    config = {
        "image_encoder": {"channels": [4, 8, 8], "blocks": [0, 0, 0], "embed_dim": 8},
        "language_model": speaker.config.to_dict(), "conditioning": "cross_attention", "cells": 64,
        "start_id": EOS_ID, "pad_id": PAD_ID, "eos_id": EOS_ID,
    }  # fmt: skip
    return to_bundle(
        "captioner", Captioner.from_config(config), config, tokenizer=tokenizer, max_tokens=48,
        card_parameters={}, data_digest="d", metrics={},
    )  # fmt: skip

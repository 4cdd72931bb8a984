"""Toy models written as ONNX by hand: they compute next to nothing, and what they do can be worked out."""

import shutil
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from tests.support.project import REPOSITORY

from lexipix.data.tokenization import EOS_ID, PAD_ID, encode, train_tokenizer
from lexipix.datasets.models import ModelFolderDataset
from lexipix.datasets.onnx_models import OnnxModelDataset, OnnxPipelineDataset
from lexipix.inference.best_of import best_of
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.models.language_model import small_gpt2
from lexipix.models.token_generator import CELLS
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.scenes import caption, sample_scene, words
from lexipix.training.bundles import to_bundle
from lexipix.utils.types import OnnxModel, OnnxPipeline

SIZE, NOISE, MAX_TOKENS, VOCABULARY = 16, 4, 24, 400
CHAMPION = {
    "family": "gan",
    "variant": "onnx_fp32",
    "qualities": {"fast": "small_onnx_fp32", "balanced": "onnx_fp32", "best": "onnx_fp32"},
}
RESIZE = {"fit": "crop", "background": [255, 255, 255], "filter": "lanczos"}
TOKENS_ENTRY = """tokens:
  type: lexipix.datasets.models.ModelFolderDataset
  filepath: data/06_models/tokens
  made_by: kedro run --pipelines generator --tags tokens
"""
SAID = "a big red circle at the left on white"  # by the toy captioner, of any picture


def draw(generator, prompts, n, seed):
    """``n`` images of each prompt, prompt by prompt, one candidate of each."""
    texts = [prompt for prompt in prompts for _ in range(n)]
    return best_of(generator, None, texts, np.arange(len(texts)) % n, seed).images


def draw_one(generator, prompt, seed, index):
    """Image ``index`` of a prompt."""
    return generator.generate([prompt], sample_noise(seed, index, generator.noise_dim))[0]


def graph(nodes, inputs, outputs, **constants):
    values = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    body = helper.make_graph(
        [helper.make_node(op, given.split(), [made], **attributes) for op, given, made, attributes in nodes],
        "toy",
        [helper.make_tensor_value_info(name, kind, shape) for name, kind, shape in inputs],
        [
            helper.make_tensor_value_info(
                name, TensorProto.UINT8 if name == "pixels" else TensorProto.FLOAT, None
            )
            for name in outputs.split()
        ],
        values,
    )
    model = helper.make_model(body, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return model.SerializeToString()


def drawing(seed):
    """Tanh of the mean of the words' vectors plus a linear map of the noise."""
    rng = np.random.default_rng(seed)
    n = 3 * SIZE * SIZE
    read = graph(
        [
            ("Gather", "table ids", "each", {}),
            ("ReduceMean", "each", "grid", {"axes": [1], "keepdims": 0}),
        ],
        [("ids", TensorProto.INT64, ["b", "l"])],
        "grid",
        table=rng.normal(size=(VOCABULARY, n)).astype("f4"),
    )
    draw = graph(
        [
            ("MatMul", "noise map", "moved", {}),
            ("Add", "grid moved", "sum", {}),
            ("Tanh", "sum", "flat", {}),
            ("Reshape", "flat shape", "images", {}),
            ("Add", "images one", "raised", {}),
            ("Mul", "raised half", "levels", {}),
            ("Round", "levels", "whole", {}),
            ("Cast", "whole", "numbers", {"to": TensorProto.UINT8}),
            ("Transpose", "numbers", "pixels", {"perm": [0, 2, 3, 1]}),
        ],
        [("noise", TensorProto.FLOAT, ["b", NOISE]), ("grid", TensorProto.FLOAT, ["b", n])],
        "images pixels",
        map=(0.2 * rng.normal(size=(NOISE, n))).astype("f4"),
        shape=np.array([-1, 3, SIZE, SIZE]),
        one=np.array(1, np.float32),
        half=np.array(127.5, np.float32),
    )
    return {"read": read, "draw": draw}


def image_vectors(width=8):
    """Unit vectors of a fixed linear map of the pixels."""
    weights = np.random.default_rng(5).normal(size=(3 * SIZE * SIZE, width)).astype("f4")
    return graph(
        [
            ("Flatten", "images", "flat", {}),
            ("MatMul", "flat map", "raw", {}),
            ("LpNormalization", "raw", "vectors", {"axis": 1, "p": 2}),
        ],
        [("images", TensorProto.FLOAT, ["b", 3, SIZE, SIZE])],
        "vectors",
        map=weights,
    )


def text_vectors(width=8):
    """Unit vectors of the mean of the words' vectors."""
    return graph(
        [
            ("Gather", "table ids", "each", {}),
            ("ReduceMean", "each", "raw", {"axes": [1], "keepdims": 0}),
            ("LpNormalization", "raw", "vectors", {"axis": 1, "p": 2}),
        ],
        [("ids", TensorProto.INT64, ["b", "l"])],
        "vectors",
        table=np.random.default_rng(6).normal(size=(VOCABULARY, width)).astype("f4"),
    )


def seeing():
    """The pixels as one long cell."""
    return graph(
        [("Reshape", "images shape", "cells", {})],
        [("images", TensorProto.FLOAT, ["b", 3, SIZE, SIZE])],
        "cells",
        shape=np.array([-1, 1, 3 * SIZE * SIZE]),
    )


def saying(ids):
    """Word by word the same sentence; every other word is a little possible."""
    table = np.zeros((MAX_TOKENS + 2, VOCABULARY), "f4")
    table[np.arange(len(ids)) + 1, ids] = 8.0
    return graph(
        [
            ("Shape", "ids", "both", {}),
            ("Gather", "both zero", "batch", {}),
            ("Gather", "both one", "length", {}),
            ("Expand", "length batch", "lengths", {}),
            ("Gather", "table lengths", "logits", {}),
        ],
        [
            ("ids", TensorProto.INT64, ["b", "l"]),
            ("cells", TensorProto.FLOAT, ["b", 1, 3 * SIZE * SIZE]),
        ],
        "logits",
        table=table,
        zero=np.array([0]),
        one=np.array([1]),
    )


@cache
def make_toys():
    """Name in the catalog -> toy model."""
    rng = np.random.default_rng(0)
    tokenizer = train_tokenizer([caption(sample_scene(rng)) for _ in range(500)] + [*words()], VOCABULARY)
    text = tokenizer.to_str()
    shared = {"max_tokens": MAX_TOKENS, "image_size": SIZE, "image_channels": 3}
    generator = {"kind": "text_to_image", "noise_dim": NOISE, "known_words": sorted(words()), **shared}
    ids = encode(tokenizer, [SAID], MAX_TOKENS)[0]
    ends = {"start_id": EOS_ID, "pad_id": PAD_ID, "eos_id": EOS_ID}
    vae, gan, small = (OnnxModel(generator, drawing(seed), text, {"data_digest": "d"}) for seed in (1, 2, 3))
    scorer = OnnxModel(
        {"kind": "contrastive_pair", **shared}, {"image": image_vectors(), "text": text_vectors()}, text
    )
    captioner = {"kind": "captioner", **shared, **ends, "variant": "onnx_fp32", "resize": RESIZE}
    return {
        "onnx_vae": vae,
        "onnx_gan": gan,
        "onnx_scorer": scorer,
        "captioner_champion": OnnxModel(captioner, {"see": seeing(), "next_word": saying(ids)}, text),
        "champion": OnnxPipeline(
            {**CHAMPION, **generator}, {"onnx_fp32": gan, "small_onnx_fp32": small, "scorer": scorer}
        ),
    }


@pytest.fixture(scope="session")
def toys():
    return make_toys()


@cache
def make_tokens_model():
    """An untrained image-token generator; it has no exported form."""
    text, vocabulary = make_toys()["onnx_gan"].tokenizer, VOCABULARY
    torch.manual_seed(0)
    model = small_gpt2(vocabulary + 24 + 4 + 2, MAX_TOKENS + CELLS, 32, 1, EOS_ID, cross_attention=False)
    network = {
        "token_generator": {
            "language_model": model.config.to_dict(), "decoding_steps": [1, 1],
            "local_conv_depth": 1, "pad_id": PAD_ID,
        },
        "image_tokenizer": {"image_size": SIZE, "levels": [[4, 3, 2], [4]], "width": 8, "depth": 1},
        "text_encoder": {
            "vocabulary": VOCABULARY, "max_tokens": MAX_TOKENS, "width": 32, "depth": 1, "embed_dim": 8,
        },
    }  # fmt: skip
    made = TokensToImage.from_config(network)
    return to_bundle(
        "tokens_to_image", made, network, tokenizer=text, max_tokens=MAX_TOKENS, card_parameters={},
        data_digest="d", metrics={}, image_size=SIZE, image_channels=3, known_words=sorted(words()),
        noise_dim=made.noise_dim,
    )  # fmt: skip


@pytest.fixture(scope="session")
def tokens_model():
    return make_tokens_model()


@pytest.fixture
def said():
    return SAID


@pytest.fixture
def generator(toys):
    return OnnxGenerator(toys["onnx_vae"])


@pytest.fixture
def other_generator(toys):
    return OnnxGenerator(toys["onnx_gan"])


@pytest.fixture
def captioner(toys):
    return OnnxCaptioner(toys["captioner_champion"])


@pytest.fixture
def scorer(toys):
    return OnnxScorer(toys["onnx_scorer"])


def save_models(root):
    """Put the toy models where a finished run of the project at ``root`` has put its own."""
    models = root / "data" / "06_models"
    for name, model in make_toys().items():
        dataset = OnnxPipelineDataset if isinstance(model, OnnxPipeline) else OnnxModelDataset
        dataset(filepath=str(models / name.replace("onnx_", "onnx/"))).save(model)
    ModelFolderDataset(filepath=str(models / "tokens")).save(make_tokens_model())
    (root / "conf" / "local").mkdir(parents=True, exist_ok=True)
    (root / "conf" / "local" / "catalog.yml").write_text(TOKENS_ENTRY)


@pytest.fixture(scope="session")
def _project(tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(REPOSITORY / "conf", root / "conf")
    save_models(root)
    return root


@pytest.fixture
def project(_project, tmp_path, monkeypatch):
    """Metadata of a project whose models are trained, and which is where the user stands."""
    root = tmp_path / "project"
    shutil.copytree(_project, root)
    rng = np.random.default_rng(3)
    Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)).save(root / "star.png")
    monkeypatch.chdir(root)
    monkeypatch.delenv("KEDRO_ENV", raising=False)
    return SimpleNamespace(project_path=root)

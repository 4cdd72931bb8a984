import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto
from tests.support.exported_retrieval import CAPTIONS, export_bundle, make_bundle

from lexipix.data.images import normalize, to_uint8
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.onnx_session import normalize_pixels
from lexipix.utils.errors import LexipixError


def test_pixels_are_normalized_as_in_training():
    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert np.array_equal(normalize_pixels(images), normalize(torch.from_numpy(images)).numpy())
    assert np.array_equal(to_uint8(torch.from_numpy(normalize_pixels(images))), images)
    values = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    levels = np.rint((values + 1) * 127.5).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    assert np.array_equal(to_uint8(torch.from_numpy(values)), levels)


def use(model):
    """Let a model do what it is for."""
    if "draw" in model.graphs:
        OnnxGenerator(model).generate(["a red star"], np.zeros((1, model.config["noise_dim"]), np.float32))
    elif "see" in model.graphs:
        OnnxCaptioner(model).caption(np.zeros((1, 16, 16, 3), np.uint8))
    else:
        scorer = OnnxScorer(model)
        scorer.embed_images(np.zeros((1, 16, 16, 3), np.uint8))
        scorer.embed_texts(["a red star"])


def with_tokenizer(model, **changes):
    return replace(model, tokenizer=json.dumps(json.loads(model.tokenizer) | changes))


def with_renamed_output(model, graph, name):
    changed = onnx.load_from_string(model.graphs[graph])
    (output,) = (value for value in changed.graph.output if value.name == name)
    for node in changed.graph.node:
        for names in (node.input, node.output):
            names[:] = ["other" if one == name else one for one in names]
    output.name = "other"
    return replace(model, graphs={**model.graphs, graph: changed.SerializeToString()})


@pytest.mark.parametrize("name", ["onnx_vae", "onnx_scorer", "captioner_champion"])
def test_what_the_models_do_whole(toys, name):
    use(toys[name])


@pytest.mark.parametrize("name", ["onnx_vae", "onnx_scorer", "captioner_champion"])
@pytest.mark.parametrize("padding", [None, "beyond"])
def test_a_tokenizer_whose_padding_is_no_token_is_damaged(toys, name, padding):
    known = json.loads(toys[name].tokenizer)["padding"]
    model = with_tokenizer(toys[name], padding=padding and known | {"pad_id": 10**6})
    with pytest.raises(LexipixError, match=r"tokenizer\.json .* cannot be used \(it has no padding"):
        use(model)


@pytest.mark.parametrize(
    ("name", "graph", "output"),
    [
        ("onnx_vae", "read", "grid"),
        ("onnx_vae", "draw", "pixels"),
        ("onnx_scorer", "image", "vectors"),
        ("onnx_scorer", "text", "vectors"),
        ("captioner_champion", "see", "cells"),
        ("captioner_champion", "next_word", "logits"),
    ],
)
def test_an_output_of_another_name_is_damage(toys, name, graph, output):
    with pytest.raises(LexipixError, match="of an exported model cannot be used"):
        use(with_renamed_output(toys[name], graph, output))


def test_ids_beyond_the_captioners_logits_are_damage(toys):
    model = toys["captioner_champion"]
    with pytest.raises(LexipixError, match="of an exported model cannot be used"):
        use(replace(model, config=model.config | {"pad_id": 10**6}))


def test_data_in_another_file_is_never_read(toys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = toys["onnx_vae"]
    changed = onnx.load_from_string(model.graphs["read"])
    (table,) = changed.graph.initializer
    (tmp_path / "table.bin").write_bytes(table.raw_data)
    table.ClearField("raw_data")
    table.data_location = TensorProto.EXTERNAL
    table.external_data.add(key="location", value="table.bin")
    model = replace(model, graphs={**model.graphs, "read": changed.SerializeToString()})
    with pytest.raises(LexipixError, match=r"read\.onnx .* \(some of its data is in another file\)"):
        use(model)


@pytest.fixture(scope="module")
def retrieval():
    return export_bundle(make_bundle())


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("packed", lambda packed: packed[:20]),
        ("packed", lambda packed: np.zeros_like(packed)),
        ("ends", lambda ends: ends[::-1]),
        ("idf", lambda idf: idf[:3]),
        ("image_keys", lambda keys: keys[:, :1]),
        ("token_counts", lambda counts: counts + 1),
    ],
)
def test_a_memory_that_does_not_fit_is_damage(retrieval, name, change):
    arrays = {**retrieval.arrays, name: np.ascontiguousarray(change(retrieval.arrays[name]))}
    noise = np.zeros((1, retrieval.config["noise_dim"]), np.float32)
    with pytest.raises(LexipixError, match="of an exported model cannot be used"):
        OnnxGenerator(replace(retrieval, arrays=arrays)).generate(CAPTIONS[:1], noise)

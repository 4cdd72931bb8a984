import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from lexipix.utils import model_files
from lexipix.utils.errors import LexipixError
from lexipix.utils.model_files import read_json, read_onnx_model


@pytest.fixture
def folder(tmp_path):
    for name in ("config.json", "card.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "tokenizer.json").write_text("text")
    (tmp_path / "draw.onnx").write_bytes(b"one")
    (tmp_path / "read.onnx").write_bytes(b"two")
    save_file({"a": np.zeros(3, np.uint8)}, tmp_path / "model.safetensors")
    return tmp_path


def enlarge(path, n_bytes):
    """A file of that size which takes no place on the disk."""
    with path.open("r+b") as file:
        file.truncate(n_bytes)


def test_a_model_is_read(folder):
    model = read_onnx_model(folder)
    assert model.graphs == {"draw": b"one", "read": b"two"}
    assert model.tokenizer == "text" and model.arrays["a"].shape == (3,)


@pytest.mark.parametrize("name", ["config.json", "card.json", "tokenizer.json"])
def test_a_huge_text_is_refused_before_it_is_read(folder, name):
    enlarge(folder / name, 65 * 10**6)
    with pytest.raises(LexipixError, match=f"{name} has 65,000,000 bytes, more than the 64,000,000"):
        read_onnx_model(folder)


def test_huge_arrays_are_refused_before_they_are_read(folder):
    enlarge(folder / "model.safetensors", 2**30 + 1)
    with pytest.raises(LexipixError, match=r"safetensors has 1,073,741,825 bytes, more than"):
        read_onnx_model(folder)


def test_many_graphs_are_limited_together(folder, monkeypatch):
    monkeypatch.setattr(model_files, "MAX_MODEL_BYTES", 5)
    with pytest.raises(LexipixError, match="have 6 bytes together, more than the 5 of any exported model"):
        read_onnx_model(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "draw.onnx", "model.safetensors"])
def test_what_is_no_file_is_refused(folder, name):
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(LexipixError, match=f"{name} is no file"):
        read_onnx_model(folder)


def test_a_tokenizer_that_is_no_text_is_damaged(folder):
    (folder / "tokenizer.json").write_bytes(b"\x08\x07\xc7")
    with pytest.raises(LexipixError, match=r"tokenizer.json is damaged: it is no text in UTF-8"):
        read_onnx_model(folder)


def test_json_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps([1]))
    with pytest.raises(LexipixError, match="holds a list instead of a JSON object"):
        read_json(tmp_path / "a.json")

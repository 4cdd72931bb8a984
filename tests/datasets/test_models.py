import json
import os
from pathlib import Path

import pytest
import torch
from kedro.io import DatasetError

from lexipix.datasets.models import ModelFolderDataset, read_tensors, write_tensors
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import ModelBundle

MADE_BY = "kedro run --env smoke --pipelines captioner"


@pytest.fixture
def dataset(tmp_path):
    return ModelFolderDataset(filepath=str(tmp_path / "captioner"), made_by=MADE_BY)


@pytest.fixture
def bundle():
    weight = torch.arange(6.0).reshape(2, 3)
    return ModelBundle(
        config={"layers": 2},
        weights={"embedding": weight, "head": weight, "scale": torch.tensor(2, dtype=torch.int8)},
        tokenizer='{"version": "1.0"}',
        card={"metrics": {"bleu4": 0.5}},
    )


def test_model_without_weights_comes_back(dataset):
    dataset.save(ModelBundle({"kind": "none", "because": "a.b is false"}, {}))
    loaded = dataset.load()
    assert dataset.exists() and loaded.weights == {} and loaded.config["because"] == "a.b is false"


def test_round_trip_with_tied_weights(dataset, bundle):
    dataset.save(bundle)
    loaded = dataset.load()
    assert loaded.config == bundle.config
    assert loaded.tokenizer == bundle.tokenizer
    assert loaded.weights.keys() == bundle.weights.keys()
    for name, tensor in bundle.weights.items():
        assert torch.equal(loaded.weights[name], tensor)
        assert loaded.weights[name].dtype == tensor.dtype


def test_card_says_which_code_made_it(dataset, bundle):
    dataset.save(bundle)
    card = dataset.load().card
    assert card["metrics"] == {"bleu4": 0.5}
    assert len(card["code_revision"]) >= 7
    assert "code_revision" not in bundle.card  # what a node returned stays as it was


def test_model_without_words_has_no_tokenizer(dataset, bundle):
    bundle.tokenizer = None
    dataset.save(bundle)
    assert dataset.load().tokenizer is None
    assert not (dataset.path / "tokenizer.json").exists()


def test_missing_model_names_the_command(dataset):
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=f"no trained captioner at .*captioner: run `{MADE_BY}` first"):
        dataset.load()


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "card.json"])
def test_incomplete_folder_does_not_exist_and_is_reported(dataset, bundle, file):
    dataset.save(bundle)
    (dataset.path / file).unlink()
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=f"is incomplete, {file} missing: run `{MADE_BY}` again"):
        dataset.load()


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "card.json"])
def test_a_truncated_file_is_reported(dataset, bundle, file):
    dataset.save(bundle)
    content = (dataset.path / file).read_bytes()
    (dataset.path / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=f"is damaged .*{file} is .*: delete it and run `{MADE_BY}` again"):
        dataset.load()


def test_failed_save_keeps_the_old_model(dataset, bundle):
    dataset.save(bundle)
    with pytest.raises(DatasetError):
        dataset.save(ModelBundle(config={"layers": object()}, weights={}))
    assert dataset.load().config == {"layers": 2}


def test_views_and_gradients_are_written_by_value(tmp_path):
    whole = torch.arange(8.0, requires_grad=True)
    write_tensors(tmp_path / "a.safetensors", {"left": whole[:4], "right": whole[4:]}, {"note": "grün"})
    tensors, notes = read_tensors(tmp_path / "a.safetensors")
    assert tensors["right"].tolist() == [4, 5, 6, 7]
    assert notes == {"note": "grün"}


def test_text_instead_of_tensors_is_reported(tmp_path):
    (tmp_path / "a.safetensors").write_text(json.dumps({"no": "tensors"}))
    with pytest.raises(LexipixError, match="damaged or incomplete"):
        read_tensors(tmp_path / "a.safetensors")


def test_weights_of_another_user_are_no_damage(dataset, bundle, monkeypatch):
    dataset.save(bundle)
    file, real = dataset.path / "model.safetensors", os.access
    assert file.stat().st_mode == (dataset.path / "config.json").stat().st_mode
    file.write_bytes(b"")  # as safetensors reports a file that it may not read
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != file and real(path, mode))
    with pytest.raises(DatasetError, match="permission denied") as caught:
        dataset.load()
    assert "damaged" not in str(caught.value) and "again" not in str(caught.value)
    with pytest.raises(LexipixError, match="permission denied"):
        read_tensors(file)

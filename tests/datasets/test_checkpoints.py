import logging
import os

import pytest
import torch
from kedro.io import DatasetError

from lexipix.datasets.checkpoints import CheckpointStoreDataset
from lexipix.utils.errors import LexipixError


@pytest.fixture
def dataset(tmp_path):
    return CheckpointStoreDataset(filepath=str(tmp_path / "checkpoints" / "vae.safetensors"))


def test_new_store_holds_nothing(dataset):
    assert dataset.exists()
    assert dataset.load().load() is None


def test_last_generation_comes_back(dataset):
    store = dataset.load()
    store.save({"weight": torch.zeros(2)}, {"images_seen": 1})
    store.save({"weight": torch.ones(2)}, {"images_seen": 64, "rng": [1, 2], "best": None})
    tensors, meta = dataset.load().load()
    assert torch.equal(tensors["weight"], torch.ones(2))
    assert meta == {"images_seen": 64, "rng": [1, 2], "best": None}
    assert [path.name for path in dataset.path.parent.iterdir()] == ["vae.safetensors"]


def test_generation_without_tensors_comes_back(dataset):
    dataset.load().save({}, {"finished": {"a": 0.5}})
    assert dataset.load().load() == ({}, {"finished": {"a": 0.5}})


def test_cleared_store_holds_nothing(dataset):
    store = dataset.load()
    store.save({"weight": torch.zeros(2)}, {})
    store.clear()
    store.clear()
    assert store.load() is None


@pytest.mark.parametrize("keep", [0, 3, 40, 150])
def test_a_damaged_checkpoint_is_reported_and_ignored(dataset, caplog, keep):
    store = dataset.load()
    store.save({"weight": torch.zeros(200)}, {"images_seen": 1})
    dataset.path.write_bytes(dataset.path.read_bytes()[:keep])
    with caplog.at_level(logging.WARNING):
        assert store.load() is None
    assert "training starts again" in caplog.text


def test_a_checkpoint_of_another_user_is_not_replaced(dataset, monkeypatch):
    store = dataset.load()
    store.save({"weight": torch.zeros(2)}, {})
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != str(dataset.path))
    with pytest.raises(LexipixError, match=r"permission denied.* or delete it to train from the start"):
        store.load()


def test_node_cannot_return_one(dataset):
    with pytest.raises(DatasetError):
        dataset.save("anything")

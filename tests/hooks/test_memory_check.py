from types import SimpleNamespace

import pytest
from kedro.io import DataCatalog, MemoryDataset
from tests.support.parameters import base_parameters

from lexipix.hooks import memory_check
from lexipix.hooks.memory_check import MemoryCheckHooks
from lexipix.utils.errors import LexipixError


def check(needed, *names):
    parameters = base_parameters({"run.memory_mb": needed}).model_dump(mode="json")
    pipeline = SimpleNamespace(nodes=[SimpleNamespace(name=name) for name in names])
    MemoryCheckHooks().before_pipeline_run(
        pipeline=pipeline, catalog=DataCatalog({"parameters": MemoryDataset(parameters)})
    )


def test_too_little_memory_stops_trainings_only(monkeypatch):
    monkeypatch.setattr(memory_check, "available_mb", lambda: 2000.4)
    with pytest.raises(LexipixError, match=r"run.memory_mb = 2,600: .* and 2,000 are free"):
        check(2600, "ingest", "train_vae")
    check(2600, "ingest")
    check(2000, "train_vae")
    check(0, "train_vae")


def test_an_unknown_amount_is_enough(monkeypatch):
    monkeypatch.setattr(memory_check, "available_mb", lambda: None)
    check(2600, "train_vae")

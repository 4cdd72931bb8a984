import importlib.util

import pytest
from kedro.io import DataCatalog, MemoryDataset
from tests.support.parameters import base_parameters, section

from lexipix.engines import dataset
from lexipix.engines.dataset import EngineDataset, choose_engine, close_engine
from lexipix.engines.local import LocalEngine
from lexipix.hooks.engine import EngineHooks
from lexipix.utils.errors import LexipixError


@pytest.fixture(autouse=True)
def _none_chosen(monkeypatch):
    monkeypatch.setattr(dataset, "_parameters", None)
    monkeypatch.setattr(dataset, "_engine", None)


def test_the_base_environment_runs_in_this_process(tmp_path):
    choose_engine(section("engine"))
    engine = EngineDataset(path=str(tmp_path))
    assert isinstance(engine.load(), LocalEngine) and engine.load() is engine.load()


def test_ray_without_the_extra_is_one_sentence_before_the_first_node(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    catalog = DataCatalog(
        {"parameters": MemoryDataset(base_parameters({"engine.kind": "ray"}).model_dump(mode="json"))}
    )
    with pytest.raises(LexipixError, match=r"engine\.kind = ray.*pip install '\.\[ray\]'.*local"):
        EngineHooks().before_pipeline_run(catalog=catalog)


def test_the_engine_ends_with_the_run_and_before_another(tmp_path):
    closed = []

    class Engine(LocalEngine):
        def close(self):
            closed.append(True)

    dataset._engine = Engine()
    EngineHooks().after_pipeline_run()
    close_engine()
    assert closed == [True]
    dataset._engine = Engine()
    EngineHooks().on_pipeline_error()
    dataset._engine = Engine()
    choose_engine(section("engine"))
    assert closed == [True] * 3


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("kind", "dask", "engine.kind"),
        ("workers", -1, "engine.workers"),
        ("gpus_per_worker", 0.5, "engine.gpus_per_worker"),
        ("address", "", "engine.address"),
    ],
)
def test_wrong_values_are_named(key, value, said):
    with pytest.raises(LexipixError, match=said):
        section("engine", {key: value})

"""What a run that was stopped had still to make, and what --only-missing-outputs then makes."""

import json
import os
from types import SimpleNamespace

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner

from lexipix.hooks.run_lock import HOLDER
from lexipix.hooks.unfinished_run import NOTE, UnfinishedRunHooks

PIPELINE = Pipeline([node(lambda: 1, None, "a", name="make_a"), node(lambda a: a, "a", "b", name="make_b")])
ONLY_MISSING = {"only_missing_outputs": True}


class World:
    """A project with the outputs ``a`` and ``b``, each run by a process of its own."""

    def __init__(self, project):
        self.project, self.data = project, project / "data"
        self.data.mkdir()
        self.write(1, "a", "b")

    def hooks(self):
        hooks = UnfinishedRunHooks()
        globals_ = {"globals": {"data_root": "data"}}
        hooks.after_context_created(SimpleNamespace(project_path=self.project, config_loader=globals_))
        return hooks

    def catalog(self):
        entries = {
            name: {
                "type": "lexipix.datasets.files.JsonDataset",
                "filepath": str(self.data / f"{name}.json"),
            }
            for name in "ab"
        }
        return DataCatalog.from_config(entries)

    def write(self, seconds, *names):
        for name in names:
            path = self.data / f"{name}.json"
            path.write_text("1")
            os.utime(path, (seconds, seconds))

    def begin(self, seconds, **run_params):
        """Begin a run; the nodes that Kedro would run."""
        (self.data / HOLDER).touch()
        os.utime(self.data / HOLDER, (seconds, seconds))
        hooks, catalog = self.hooks(), self.catalog()
        hooks.before_pipeline_run(run_params=run_params, pipeline=PIPELINE, catalog=catalog)
        if not run_params:
            return [one.name for one in PIPELINE.nodes]
        chosen = SequentialRunner()._filter_pipeline_for_missing_outputs(PIPELINE, catalog)
        return [one.name for one in chosen.nodes]


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


def test_results_older_than_the_stopped_run_are_made_again(world):
    world.begin(10)
    assert world.begin(20, **ONLY_MISSING) == ["make_a", "make_b"]
    world.write(21, "a")  # and stopped once more
    assert world.begin(30, **ONLY_MISSING) == ["make_b"]
    world.write(31, "b")
    world.hooks().after_pipeline_run(pipeline=PIPELINE)
    assert not (world.data / NOTE).exists()
    assert world.begin(40, **ONLY_MISSING) == []


def test_without_a_stopped_run_whatever_exists_is_kept(world):
    assert world.begin(10, **ONLY_MISSING) == []
    (world.data / "b.json").unlink()
    assert world.begin(20, **ONLY_MISSING) == ["make_b"]


def test_another_run_that_finishes_forgets_its_own_nodes_only(world):
    world.begin(10)
    world.write(12, "a")
    world.hooks().after_pipeline_run(pipeline=PIPELINE.only_nodes("make_a"))
    assert list(json.loads((world.data / NOTE).read_text())) == ["make_b"]
    assert world.begin(20, **ONLY_MISSING) == ["make_b"]


def test_an_output_exists_once_it_is_made(world):
    world.begin(10)
    hooks, catalog = world.hooks(), world.catalog()
    hooks.before_pipeline_run(run_params=ONLY_MISSING, pipeline=PIPELINE, catalog=catalog)
    assert not catalog.exists("a")
    hooks.after_dataset_saved(dataset_name="a")
    assert catalog.exists("a") and not catalog.exists("b")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"make_a": "x"}', '{"make_a": null}'])
def test_a_damaged_note_is_none(world, content):
    (world.data / NOTE).write_text(content)
    assert world.begin(10, **ONLY_MISSING) == []


def test_a_folder_that_cannot_be_written_is_a_warning(world, monkeypatch, caplog):
    def refuse(*_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(UnfinishedRunHooks, "_write", refuse)
    world.begin(10)
    assert "--only-missing-outputs will keep older results (" in caplog.text

"""What the hooks hand to the MLflow run; the run itself: tests/tracking."""

from types import SimpleNamespace

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from lexipix.config.text_keys import SOURCE_PATH
from lexipix.hooks.mlflow_tracking import MlflowTrackingHooks
from lexipix.hooks.node_timing import NodeTimingHooks
from lexipix.tracking import provenance

CATALOG = {
    "{model}_metrics": {
        "type": "lexipix.datasets.files.JsonDataset",
        "filepath": "data/{model}.json",
        "metadata": {"mlflow": {"metrics": "training.{model}"}},
    },
    "silent": {"type": "lexipix.datasets.files.JsonDataset", "filepath": "data/silent.json"},
}


class Run:
    """Records the calls to an open MLflow run."""

    run_id = "r"

    def __init__(self):
        self.calls = []

    def __getattr__(self, name):
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.fixture
def hooks(tmp_path):
    hooks = MlflowTrackingHooks(NodeTimingHooks())
    loader = SimpleNamespace(conf_source=str(tmp_path / "conf"))
    hooks.after_context_created(SimpleNamespace(project_path=tmp_path, env="smoke", config_loader=loader))
    hooks.after_catalog_created(DataCatalog.from_config(CATALOG))
    hooks._run = Run()
    return hooks


def test_a_datasets_entry_decides_what_is_logged_also_that_of_a_factory(hooks):
    calls, node = hooks._run.calls, SimpleNamespace(name="node")
    hooks.after_dataset_saved("vae_metrics", {"psnr": 30}, node)
    ((name, dataset, data, targets, path),) = calls
    assert (name, dataset, data, targets) == ("log", "vae_metrics", {"psnr": 30}, {"metrics": "training.vae"})
    assert path.name == "vae.json"
    hooks.after_dataset_saved("silent", {}, node)
    hooks.after_dataset_saved("in_memory", {}, node)
    assert len(calls) == 1


def test_the_summary_names_the_data_set(hooks):
    run = hooks._run
    hooks.after_dataset_saved("ingestion_summary", {"source": "scenes"}, SimpleNamespace(name="node"))
    assert run.calls == [("log_data_set", {"source": "scenes"}, None)]


def test_a_finished_run_has_costs_and_lineage_and_is_ended_once(hooks):
    run = hooks._run
    hooks.after_pipeline_run(Pipeline([]), DataCatalog())
    assert [call[0] for call in run.calls] == ["log_costs", "log_lineage", "end"]
    assert run.calls[-1] == ("end", "FINISHED", None)
    hooks.on_pipeline_error(ValueError("late"))
    assert len(run.calls) == 3


def test_nothing_after_the_last_node_fails_a_run(hooks, monkeypatch, caplog):
    def broken(*_):
        raise OSError("the disk has an error")

    monkeypatch.setattr(hooks._provenance, "as_dict", broken)
    monkeypatch.setattr(hooks, "_register", broken)
    run = hooks._run
    hooks.after_pipeline_run(Pipeline([]), DataCatalog())
    assert run.calls[-1] == ("end", "FINISHED", None)
    assert caplog.text.count("the disk has an error") == 2


def test_what_a_parameter_names_is_an_input_once_it_is_read(hooks, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.png").write_bytes(b"a")
    (tmp_path / "model").mkdir()
    hooks._paths = {SOURCE_PATH: "mine", "features.tokenizer": "gpt2", "ingestion.captioner": "model"}
    hooks.after_dataset_loaded("sources")
    first = hooks._provenance.as_dict()["inputs"]
    assert list(first) == [SOURCE_PATH] and first[SOURCE_PATH]["path"] == "mine"
    assert first[SOURCE_PATH]["md5"].endswith(".dir")
    (tmp_path / "mine" / "a.png").write_bytes(b"b")
    assert hooks._provenance.as_dict()["inputs"] == first, "as it was when it was read"
    hooks.after_dataset_loaded("sources")
    hooks.after_dataset_loaded("pretrained_models")
    second = hooks._provenance.as_dict()["inputs"]
    assert sorted(second) == ["ingestion.captioner", SOURCE_PATH], "a name to download is no file"
    assert second[SOURCE_PATH]["md5"] != first[SOURCE_PATH]["md5"]


def test_a_source_without_a_digest_is_a_warning(hooks, tmp_path, monkeypatch, caplog):
    def broken(_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "mine").mkdir()
    monkeypatch.setattr(provenance, "named_digest", broken)
    hooks._paths = {SOURCE_PATH: "mine"}
    hooks.after_dataset_loaded("sources")
    assert hooks._provenance.as_dict()["inputs"] == {SOURCE_PATH: {"path": "mine"}}
    assert "has no digest, so that a change will not be noticed" in caplog.text


def test_a_failed_run_ends_with_the_reason(hooks):
    run, error = hooks._run, ValueError("no")
    hooks.on_pipeline_error(error)
    assert run.calls == [("end", "FAILED", error)]


def test_nothing_is_tracked_where_tracking_is_off(hooks, monkeypatch):
    monkeypatch.setenv("LEXIPIX_MLFLOW", "0")
    hooks._run = None
    hooks.before_pipeline_run({}, None, None)
    assert hooks._run is None


@pytest.mark.parametrize(("conf_source", "known"), [("conf", None), ("./conf", None), ("other", "other")])
def test_another_configuration_is_in_the_command(hooks, tmp_path, conf_source, known):
    place = str(tmp_path / conf_source)
    loader = SimpleNamespace(conf_source=place)
    hooks.after_context_created(SimpleNamespace(project_path=tmp_path, env="smoke", config_loader=loader))
    assert hooks._conf_source == (place if known else None)

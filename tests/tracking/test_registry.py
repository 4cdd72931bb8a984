"""From an evaluation to MLflow's registry: versions, aliases, tags, and what logged models are linked to."""

import base64
import json
import logging
import os
from dataclasses import replace
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from mlflow.exceptions import MlflowException
from tests.support.parameters import base_parameters, section

from lexipix.cli.project_context import ProjectContext
from lexipix.hooks.mlflow_tracking import MlflowTrackingHooks
from lexipix.hooks.node_timing import NodeTimingHooks
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.tracking import registry
from lexipix.tracking.registry import (
    CHALLENGER,
    CHAMPION,
    Evaluation,
    missing,
    register,
    registered_name,
    registered_versions,
    report_of,
)
from lexipix.utils.png import encode_png

GENERATOR, CAPTIONER = "lexipix-generator-smoke", "lexipix-captioner-smoke"


@pytest.fixture
def evaluation(smoke, empty_mlflow_store):
    """An open run of a store of its own, with the smoke run's results."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(empty_mlflow_store)
    context = ProjectContext(smoke.path, "smoke")
    metrics = context.load("metrics")
    with mlflow.start_run() as run:
        mlflow.log_metric("text.champion.psnr", metrics["text"]["champion"]["psnr"])
        yield Evaluation(run.info.run_id, "smoke", "abc", metrics, context.parameters, context.path)
    mlflow.set_tracking_uri(before)


def with_figures(evaluation, **figures):
    """The same with other figures of the champion's pictures."""
    metrics = json.loads(json.dumps(evaluation.metrics))
    metrics["text"]["champion"] |= figures
    return replace(evaluation, metrics=metrics)


def versions(name=GENERATOR):
    """The version that each alias names."""
    aliases = mlflow.MlflowClient().get_registered_model(name).aliases
    return {alias: str(version) for alias, version in aliases.items()}


def test_models_are_promoted_by_their_figures(evaluation):
    register(evaluation)
    assert versions() == versions(CAPTIONER) == {CHALLENGER: "1", CHAMPION: "1"}

    register(evaluation)  # once more
    assert versions() == versions(CAPTIONER) == {CHALLENGER: "1", CHAMPION: "1"}

    register(with_figures(evaluation, clip_score=0.0))  # which decides nothing
    assert versions() == versions(CAPTIONER) == {CHALLENGER: "2", CHAMPION: "1"}

    register(with_figures(evaluation, attribute_accuracy=0.9, r_precision=0.9))
    assert versions() == {CHALLENGER: "3", CHAMPION: "3"}
    assert versions(CAPTIONER) == {CHALLENGER: "3", CHAMPION: "1"}
    tags = mlflow.MlflowClient().get_model_version(GENERATOR, "3").tags
    assert (tags["decision"], tags["compared_with"], tags["data"]) == ("promoted", "1", "abc")
    assert float(tags["metric.r_precision"]) == 0.9
    assert "better" in tags["reason"]

    register(replace(evaluation, data="other pictures"))
    assert versions() == {CHALLENGER: "4", CHAMPION: "3"}
    version = mlflow.MlflowClient().get_model_version(GENERATOR, "4")
    assert version.tags["decision"] == "not promoted"
    assert "do not compare" in version.tags["reason"]
    assert version.description == version.tags["reason"]


def test_a_registered_champion_draws_what_its_folder_draws_within_the_limits_of_the_run(evaluation):
    generation = evaluation.parameters.generation.model_copy(
        update={"serving": section("generation.serving", {"max_images": 2})}
    )
    parameters = evaluation.parameters.model_copy(update={"generation": generation})
    register(replace(evaluation, parameters=parameters))

    uri, prompt = f"models:/{GENERATOR}@{CHAMPION}", "a big red circle at the left on white"
    model, pipe = (
        mlflow.pyfunc.load_model(uri),
        TextToImagePipeline.from_pretrained(evaluation.path("champion")),
    )
    for candidates in (1, 2):
        for quality in ("fast", "balanced", "best"):
            params = {"quality": quality, "seed": 5, "candidates": candidates}
            (row,) = model.predict([{"prompt": prompt}], params=params)
            output = pipe(prompt, **params)
            assert base64.b64decode(row["png"]) == encode_png(output.pixels[0])
            assert row["model"] == output.model
    registered = TextToImagePipeline.from_pretrained(uri)
    assert np.array_equal(registered(prompt, seed=5).pixels, pipe(prompt, seed=5).pixels)
    for params in ({"count": 3}, {"candidates": 3}):
        with pytest.raises(MlflowException, match="asks for 3 images: 1 to 2"):
            model.predict([{"prompt": prompt}], params=params)


def test_champion_whose_alias_was_taken_away_is_replaced(evaluation):
    register(evaluation)
    mlflow.MlflowClient().delete_registered_model_alias(GENERATOR, CHAMPION)
    register(evaluation)
    assert versions() == {CHALLENGER: "1"}, "whoever took it away meant it"
    register(with_figures(evaluation, r_precision=0.1))
    assert versions() == {CHALLENGER: "2", CHAMPION: "2"}


@pytest.mark.parametrize(
    "step",
    ["create_model_version", "set_logged_model_tags", "set_registered_model_alias", "set_model_version_tag"],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_registration_that_was_killed_is_completed(evaluation, monkeypatch, step, after):
    class Killed(BaseException):
        pass

    known = getattr(mlflow.MlflowClient, step)

    def kill(*arguments, **options):
        if after:
            known(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(mlflow.MlflowClient, step, kill)
        register(evaluation)
    assert not registry.is_registered("captioner", evaluation)
    register(evaluation)
    assert versions() == versions(CAPTIONER) == {CHALLENGER: "1", CHAMPION: "1"}
    assert all(registry.is_registered(kind, evaluation) for kind in registry.KINDS)
    found = mlflow.MlflowClient().search_model_versions(f"name='{GENERATOR}'")
    assert len(found) == 1 and found[0].tags["decision"] == "promoted"


def test_metrics_are_the_same_evaluation_before_and_after_they_are_saved(evaluation):
    metrics = {"a": np.float32(0.1), "b": (1, 2), "c": float("nan")}
    again = {"a": float(np.float32(0.1)), "b": [1, 2], "c": None}
    assert replace(evaluation, metrics=metrics).digest == replace(evaluation, metrics=again).digest
    assert replace(evaluation, metrics=metrics).digest != evaluation.digest


def test_trouble_costs_a_warning_and_nothing_else(evaluation, monkeypatch, caplog):
    def fail(kind, evaluation):
        raise OSError("the store has gone away\nand more")

    monkeypatch.setattr(registry, "_register", fail)
    with caplog.at_level(logging.WARNING):
        register(evaluation)
    said = "MLflow: not all models could be registered (the store has gone away)."
    assert [record.message for record in caplog.records] == [said, said]


class Run:
    """An open MLflow run as the hooks see it."""

    run_id = "r"

    def log(self, *_):
        pass

    log_costs = log_data_set = log_lineage = end = log


EVALUATE = Pipeline([node(lambda: 1, None, "metrics", name="collect_metrics")])


@pytest.fixture
def hooked(monkeypatch, tmp_path):
    """The hooks of a run, its catalog, and the evaluations that it registers."""
    found = []
    monkeypatch.setattr(registry, "register", found.append)
    monkeypatch.setattr(registry, "is_registered", lambda *_: False)
    entries = {
        name: {
            "type": "lexipix.datasets.files.JsonDataset",
            "filepath": str(tmp_path / f"{name}.json"),
            "metadata": {"mlflow": {"metrics": True}},
        }
        for name in ("metrics", "champion", "captioner_champion")
    }
    catalog = DataCatalog.from_config(entries)
    parameters = base_parameters().model_dump(mode="json")
    catalog["ingestion_summary"] = MemoryDataset({"digest": "abc"})
    catalog["parameters"] = MemoryDataset(parameters)
    hooks = MlflowTrackingHooks(NodeTimingHooks())
    hooks._project_path, hooks._env, hooks._run = tmp_path, None, Run()
    hooks.after_catalog_created(catalog)
    for number, name in enumerate(("champion", "captioner_champion", "metrics")):
        (tmp_path / f"{name}.json").write_text('{"text": {}}')
        os.utime(tmp_path / f"{name}.json", (number, number))
    return hooks, catalog, found


@pytest.mark.parametrize(
    ("run", "saved", "times"),
    [(Run(), "metrics", 1), (Run(), "speed_table", 0), (None, "metrics", 0)],
    ids=["evaluated", "not evaluated", "not tracked"],
)
def test_only_a_tracked_run_that_evaluated_registers(hooked, run, saved, times):
    hooks, catalog, found = hooked
    hooks._run = run
    hooks.after_dataset_saved(saved, {"text": {"a": 1}}, SimpleNamespace(name="node"))
    hooks.after_pipeline_run(Pipeline([]), catalog)
    expected = ("r", "abc", {"text": {"a": 1}})
    assert [(one.run_id, one.data, one.metrics) for one in found] == [expected] * times


def test_metrics_of_a_run_that_was_killed_are_registered_by_the_next_one(hooked):
    hooks, catalog, found = hooked
    hooks.after_pipeline_run(EVALUATE, catalog)
    assert [(one.run_id, one.metrics) for one in found] == [("r", {"text": {}})]


def test_metrics_of_other_models_are_not(hooked, tmp_path):
    hooks, catalog, found = hooked
    os.utime(tmp_path / "captioner_champion.json", (9, 9))
    hooks.after_pipeline_run(EVALUATE, catalog)
    assert found == []


@pytest.mark.parametrize(
    ("env", "name"),
    [(None, "lexipix-generator"), ("base", "lexipix-generator"), ("smoke", GENERATOR)],
)
def test_each_environment_has_models_of_its_own(env, name):
    assert registered_name("generator", env) == name


@pytest.fixture(scope="module")
def client(smoke):
    return mlflow.MlflowClient(tracking_uri=f"sqlite:///{smoke.path / 'mlflow.db'}")


def test_run_that_evaluates_registers_both_models(smoke, client):
    for name in (GENERATOR, CAPTIONER):
        version = client.get_model_version(name, "1")
        assert version.tags["decision"] == "promoted"
        assert client.get_run(version.run_id).info.run_name == "all@smoke"
        assert str(client.get_registered_model(name).aliases[CHAMPION]) == "1"
    summary = json.loads((smoke.data / "03_primary" / "summary.json").read_text(encoding="utf-8"))
    assert version.tags["data"] == summary["digest"]


def test_logged_model_has_its_metrics_with_the_data_set_and_its_run(client):
    version = client.get_model_version(GENERATOR, "1")
    model = client.get_logged_model(version.source.removeprefix("models:/"))
    run = client.get_run(version.run_id)
    found = {metric.key: metric for metric in model.metrics}
    assert found["text.champion.psnr"].value == run.data.metrics["text.champion.psnr"]
    assert all(key.startswith(("text.champion.", "speed.champion.")) for key in found)
    (data_set,) = {(metric.dataset_name, metric.dataset_digest) for metric in model.metrics}
    known = {(one.dataset.name, one.dataset.digest) for one in run.inputs.dataset_inputs}
    assert data_set in known
    assert model.source_run_id == run.info.run_id
    assert model.model_id in {output.model_id for output in run.outputs.model_outputs}
    assert json.loads(model.tags["mlflow.modelVersions"]) == [{"name": GENERATOR, "version": 1}]
    assert model.params["generator.vae.training.num_images"] == "1920"


def test_signature_names_what_goes_in_and_comes_out(client):
    mlflow.set_tracking_uri(client.tracking_uri)
    signature = mlflow.models.get_model_info(f"models:/{GENERATOR}/1").signature
    assert signature.inputs.input_names() == ["prompt"]
    assert [one.name for one in signature.params] == ["seed", "count", "quality", "candidates"]
    assert {"png", "seed", "index", "model"} <= set(signature.outputs.input_names())
    signature = mlflow.models.get_model_info(f"models:/{CAPTIONER}/1").signature
    assert (signature.inputs.input_names(), signature.outputs.input_names()) == (["picture"], ["caption"])


def test_model_holds_what_it_needs_and_no_pickle(client, tmp_path):
    mlflow.set_tracking_uri(client.tracking_uri)
    folder = mlflow.artifacts.download_artifacts(f"models:/{GENERATOR}/1", dst_path=str(tmp_path))
    files = {path.relative_to(folder).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert not [name for name in files if name.endswith((".pkl", ".safetensors", ".pt"))]
    assert {"artifacts/champion/config.json", "artifacts/champion/scorer/image.onnx"} <= files
    assert any(name.endswith("/draw.onnx") for name in files)
    assert "code/lexipix/serving/generator.py" in files
    assert not [name for name in files if name.startswith(("code/lexipix/networks", "code/lexipix/hooks"))]
    assert "torch" not in (tmp_path / "requirements.txt").read_text(encoding="utf-8")


def test_a_model_that_is_not_there_is_told_with_those_that_are(smoke, tmp_path):
    store = f"sqlite:///{smoke.path / 'mlflow.db'}"
    assert missing(store, "lexipix-generator-smoke") is None
    said = missing(store, "lexipix-painter")
    assert said is not None and "choose from" in said and "lexipix-captioner-smoke" in said
    assert "make run" in str(missing(f"sqlite:///{tmp_path / 'none.db'}", "lexipix-generator"))


def test_registered_versions_come_with_the_captioner_of_their_run(empty_mlflow_store, tmp_path):
    client = mlflow.MlflowClient(tracking_uri=empty_mlflow_store, registry_uri=empty_mlflow_store)
    experiment = client.create_experiment("lexipix-smoke", (tmp_path / "files").as_uri())
    runs = [client.create_run(experiment).info.run_id for _ in range(2)]
    for name in (GENERATOR, CAPTIONER, "lexipix-generator", "another"):
        client.create_registered_model(name)
    for name, run in (
        (GENERATOR, 0),
        (GENERATOR, 1),
        (CAPTIONER, 1),
        ("lexipix-generator", 0),
        ("another", 0),
    ):
        client.create_model_version(name, tmp_path.as_uri(), runs[run], description=f"of run {run}")
    client.set_registered_model_alias(GENERATOR, CHAMPION, "1")
    found = registered_versions(empty_mlflow_store)
    assert [(one.uri, one.env, one.aliases, one.reason, one.captioner) for one in found] == [
        ("models:/lexipix-generator/1", "base", (), "of run 0", None),
        (f"models:/{GENERATOR}/2", "smoke", (), "of run 1", f"models:/{CAPTIONER}/1"),
        (f"models:/{GENERATOR}/1", "smoke", (CHAMPION,), "of run 0", None),
    ]
    (tmp_path / "report.html").write_text("a report")
    client.log_artifact(runs[1], str(tmp_path / "report.html"), "report")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(empty_mlflow_store)
    assert [report and report.read_text() for report in map(report_of, found)] == [None, "a report", None]
    mlflow.set_tracking_uri(before)


def test_a_store_that_does_not_exist_has_no_versions(tmp_path):
    assert registered_versions(f"sqlite:///{tmp_path / 'none.db'}") == []
    assert not (tmp_path / "none.db").exists()

"""A Kedro run from the command line: what it says, what it leaves, what MLflow keeps of it.

A toy project stands in for the real pipelines, with the real settings, hooks, command line and datasets.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import mlflow
import pytest
from tests.support.project import REPOSITORY, listen_to_interrupts
from tests.support.servers import free_port, running_server

FILES = {
    "pyproject.toml": """
        [tool.kedro]
        package_name = "toy"
        project_name = "toy"
        kedro_init_version = "1.7.0"
        source_dir = "src"
    """,
    "src/toy/__init__.py": "",
    "src/toy/settings.py": "from lexipix.settings import CONFIG_LOADER_ARGS, CONFIG_LOADER_CLASS, HOOKS",
    "src/toy/cli.py": "from lexipix.cli import cli",
    "src/toy/pipeline_registry.py": """
        import os
        import signal
        import subprocess
        import sys
        import time

        import numpy as np
        from kedro.pipeline import Pipeline, node

        from lexipix.config.run import RunParameters
        from lexipix.utils.errors import LexipixError


        def look():
            if os.environ.get("TOY") == "finaliser":  # Python itself drops what is raised there
                class Closing:
                    def __del__(self):
                        signal.raise_signal(signal.SIGINT)

                Closing()
                for _ in range(600):
                    time.sleep(0.1)
            if os.environ.get("TOY") in ("deaf", "translates"):  # what some libraries make of Ctrl-C
                try:
                    signal.raise_signal(signal.SIGINT)
                except KeyboardInterrupt as error:
                    if os.environ["TOY"] == "translates":
                        raise RuntimeError("a callback failed") from error
            return {"source": "scenes", "n_train": 3, "digest": "d" * 64}


        def train(run: RunParameters, summary, stream):
            if os.environ.get("TOY") == "gone":
                os.killpg(int(os.environ["SERVER"]), signal.SIGKILL)
            for images_seen in (10, 20):
                stream.log(images_seen, {"loss": 1 / images_seen})
                stream.image("samples", images_seen, np.zeros((4, 4, 3), np.uint8))
            if os.environ.get("TOY") == "locked":  # by another process, until after the last node
                hold = "import sqlite3, time; c = sqlite3.connect('mlflow.db', isolation_level=None); "
                hold += "c.execute('BEGIN EXCLUSIVE'); print(flush=True); time.sleep(12)"
                holder = subprocess.Popen([sys.executable, "-c", hold], stdout=subprocess.PIPE)
                holder.stdout.readline()
            if os.environ.get("TOY") == "mistake":
                raise LexipixError("The caption file words.csv names no picture: add the column file_name.")
            if os.environ.get("TOY") == "defect":
                raise ZeroDivisionError("a defect")
            if os.environ.get("TOY") == "hang":
                print("hanging", flush=True)
                for _ in range(1200):  # one long sleep would sleep on after a signal just before it
                    time.sleep(0.1)
            return {"psnr": {"vae": 20.5}, "name": "toy"}, np.zeros((4, 4, 3), np.uint8)


        def register_pipelines():
            return {
                "__default__": Pipeline([
                    node(look, None, "ingestion_summary", name="look"),
                    node(train, ["params:run", "ingestion_summary", "toy_stream"],
                         ["figures", "sheet"], name="train"),
                ])
            }
    """,
    "conf/base/catalog.yml": """
        ingestion_summary: {type: lexipix.datasets.files.JsonDataset, filepath: data/summary.json}
        toy_stream: {type: lexipix.datasets.metric_stream.MetricStreamDataset, name: toy}
        figures:
          type: lexipix.datasets.files.JsonDataset
          filepath: data/figures.json
          metadata: {mlflow: {metrics: true, artifact: figures}}
        sheet:
          type: lexipix.datasets.files.PngDataset
          filepath: data/sheet.png
          metadata: {mlflow: {image: toy/sheet}}
    """,
    "conf/local/.gitkeep": "",
    "conf/other/parameters.yml": "run: {threads: -1}",
}


@pytest.fixture
def toy(tmp_path, monkeypatch, empty_mlflow_store):
    """A small Kedro project with its MLflow store ready."""
    from textwrap import dedent

    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(content), encoding="utf-8")
    for file in (REPOSITORY / "conf").glob("base/parameters*.yml"):
        shutil.copy(file, tmp_path / "conf" / "base")
    shutil.copy(REPOSITORY / "conf" / "logging.yml", tmp_path / "conf" / "logging.yml")
    for name in ("MLFLOW_TRACKING_URI", "LEXIPIX_MLFLOW", "DVC_ROOT", "TOY", "KEDRO_ENV"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def start(project, *arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "kedro", *arguments],
        cwd=project,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=listen_to_interrupts,
    )


def kedro(project, *arguments, **environment):
    process = start(project, *arguments, **environment)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def runs(project):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    return client, client.search_runs(experiments, order_by=["start_time"])


def test_finished_run_is_in_mlflow_and_is_not_repeated(toy):
    code, said = kedro(toy, "run", "--params=run.seed=9")
    assert code == 0, said
    client, (run,) = runs(toy)
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "all@base"
    assert client.get_experiment(run.info.experiment_id).name == "lexipix"
    assert run.data.params == {
        "run.seed": "9",
        "run.training_share": "1.0",
        "run.threads": "0",
        "run.memory_mb": "2600",
        "run.device": "auto",
        "run.precision": "auto",
    }
    assert run.data.metrics["psnr.vae"] == 20.5
    assert [m.step for m in client.get_metric_history(run.info.run_id, "toy/loss")] == [10, 20]
    assert run.data.tags["command"] == "kedro run --params=run.seed=9"
    note = run.data.tags["mlflow.note.content"]
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("scenes", "d" * 36)
    artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
    assert artifacts.is_relative_to(toy / "mlartifacts")
    assert (artifacts / "figures" / "figures.json").is_file()
    image_splits = [path.name for path in (artifacts / "images").glob("*.png")]
    assert len(image_splits) == 3  # two while training, one sheet
    (sheet,) = (quote(name) for name in image_splits if name.startswith("toy~sheet+"))
    assert f"![toy/sheet](get-artifact?path=images/{sheet}&run_uuid={run.info.run_id})" in note

    code, said = kedro(toy, "run", "--only-missing-outputs")
    assert code == 0, said
    assert "Running node" not in said
    (toy / "data" / "sheet.png").unlink()
    code, said = kedro(toy, "run", "--only-missing-outputs", LEXIPIX_MLFLOW="0")
    assert "Running node: train" in said and "Running node: look" not in said
    assert (toy / "data" / "sheet.png").is_file()
    assert len(runs(toy)[1]) == 2  # the last one was not to be tracked


@pytest.mark.parametrize("option", ["--runner-params=is_async=True", "--runner=ThreadRunner"])
def test_a_runner_with_threads_logs_everything_to_one_run(toy, option):
    code, said = kedro(toy, "run", option)
    assert code == 0, said
    client, (run,) = runs(toy)
    assert run.info.status == "FINISHED"
    assert [m.step for m in client.get_metric_history(run.info.run_id, "toy/loss")] == [10, 20]
    assert run.data.metrics["psnr.vae"] == 20.5
    assert "figures=" in run.data.tags["outputs"]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--runner=ParallelRunner"], "ParallelRunner starts processes that tell MLflow nothing"),
        (["--runner=Quick"], "there is no runner Quick: choose SequentialRunner, or ThreadRunner"),
        (["--runner=AbstractRunner"], "AbstractRunner is no runner"),
        (["--runner-params=max_workers=2"], "unexpected keyword argument 'max_workers'"),
        (["--runner-params=@"], "is not KEY=VALUE"),
    ],
)
def test_a_runner_that_cannot_work_is_refused_before_anything_happens(toy, options, sentence):
    code, said = kedro(toy, "run", *options)
    assert code == 2
    assert sentence in " ".join(said.split())
    assert "Traceback" not in said
    assert runs(toy)[1] == []


def test_a_store_that_is_locked_after_the_last_node_does_not_fail_the_run(toy):
    code, said = kedro(toy, "run", TOY="locked")
    assert code == 0, said
    assert "Traceback" not in said
    assert (toy / "data" / "sheet.png").is_file()
    _, (run,) = runs(toy)
    assert run.info.status == "FINISHED"
    assert run.data.metrics["psnr.vae"] == 20.5
    assert "figures=" in run.data.tags["outputs"]


def test_a_server_that_is_killed_during_the_run_costs_seconds_and_no_result(toy, tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("server"), free_port()
    shutil.copy(toy / "mlflow.db", folder / "mlflow.db")
    command = [
        sys.executable, "-m", "mlflow", "server", "--workers", "1",
        "--host", "127.0.0.1", "--port", str(port),
        "--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination", str(folder / "artifacts"),
    ]  # fmt: skip
    address = f"http://127.0.0.1:{port}"
    environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with running_server(command, f"{address}/health", folder, environment) as (server, _):
        began = time.monotonic()
        code, said = kedro(toy, "run", TOY="gone", SERVER=str(server.pid), MLFLOW_TRACKING_URI=address)
    assert code == 0, said
    assert time.monotonic() - began < 60
    assert "the run stays RUNNING in the store (the server does not answer)" in said
    assert "Traceback" not in said
    assert (toy / "data" / "sheet.png").is_file()


def test_users_mistake_is_one_sentence_and_a_failed_run(toy):
    code, said = kedro(toy, "run", TOY="mistake")
    sentence = "The caption file words.csv names no picture: add the column file_name."
    assert code == 1
    assert f"Error: {sentence}\n" in said
    assert "Traceback" not in said
    _, (run,) = runs(toy)
    assert run.info.status == "FAILED"
    assert sentence in run.data.tags["error"]
    assert run.data.metrics["toy/loss"] == 1 / 20  # what was learned until then is kept


def test_defect_keeps_its_traceback(toy):
    code, said = kedro(toy, "run", TOY="defect", LEXIPIX_MLFLOW="0")
    assert code == 1
    assert "Traceback" in said and "ZeroDivisionError" in said


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_run_is_killed_and_leaves_nothing_half(toy, number, expected):
    process = start(toy, "run", TOY="hang")
    assert process.stdout.readline() == "hanging\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=180)
    assert process.returncode == expected, out + err
    assert "Traceback" not in err
    if number == signal.SIGINT:
        assert "--only-missing-outputs continues" in err
    _, (run,) = runs(toy)
    assert run.info.status == "KILLED"
    left = sorted(path.name for path in (toy / "data").iterdir())
    assert left == [".run.lock", ".unfinished.json", "summary.json"]


def test_the_advice_after_ctrl_c_keeps_no_result_of_an_earlier_run(toy):
    assert kedro(toy, "run", LEXIPIX_MLFLOW="0")[0] == 0
    process = start(toy, "run", "--params=run.seed=9", TOY="hang", LEXIPIX_MLFLOW="0")
    assert process.stdout.readline() == "hanging\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=180)
    assert "--only-missing-outputs continues" in said
    for nodes in (["train"], []):
        code, said = kedro(toy, "run", "--params=run.seed=9", "--only-missing-outputs", LEXIPIX_MLFLOW="0")
        assert code == 0, said
        assert [name for name in ("look", "train") if f"Running node: {name}" in said] == nodes
    assert not (toy / "data" / ".unfinished.json").exists()


@pytest.mark.parametrize("library", ["finaliser", "deaf", "translates"])
def test_interrupt_that_a_library_swallowed_stops_the_run_all_the_same(toy, library):
    code, said = kedro(toy, "run", TOY=library, LEXIPIX_MLFLOW="0")
    assert code == 130, said
    assert "--only-missing-outputs continues" in said
    assert "Running node: train" not in said and "Traceback" not in said
    assert "KeyboardInterrupt" not in said
    assert (toy / "data" / "summary.json").is_file() == (library == "deaf"), "what was finished is kept"


def test_wrong_parameters_stop_before_anything_happens(toy):
    code, said = kedro(toy, "run", "--env", "other", "--params=run.sed=3")
    assert code == 1
    assert (
        "parameters: run.threads = -1 is out of range: must be greater than or equal to 0 "
        "(conf/other/parameters.yml or --params=run.threads=…)." in said
    )
    assert "parameters: run.sed is unknown: did you mean run.seed? (given by --params)." in said
    assert "Traceback" not in said
    assert not (toy / "data").exists()
    assert runs(toy)[1] == []


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("local/parameters.yml", "ingestion: [", "conf/local/parameters.yml, line 1 is not valid YAML"),
        ("base/parameters_2.yml", "run: {seed: 1}", "parameters_2.yml"),
        (
            "local/catalog.yml",
            "figures: ${globals:nothing}",
            "line 1: figures cannot be resolved (Globals key",
        ),
        (
            "local/catalog.yml",
            "figures: {type: no.Such}",
            "The catalog (catalog*.yml in the configuration) is wrong",
        ),
        ("local/globals.yml", "a: *b", "conf/local/globals.yml, line 1 is not valid YAML"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_sentence_with_its_file(toy, file, content, told):
    (toy / "conf" / file).write_text(content)
    code, said = kedro(toy, "run")
    assert code == 1
    assert told in said and said.count("Error: ") == 1
    assert "Traceback" not in said


def test_a_configuration_that_is_missing_is_one_sentence(toy):
    (toy / "empty").mkdir()
    code, said = kedro(toy, "run", "--conf-source=empty")
    assert code == 1 and "empty/base does not exist" in said and "Traceback" not in said
    (toy / "conf").rename(toy / "x")
    code, said = kedro(toy, "run")
    assert code == 1 and "conf cannot be read (No such file or directory)" in said
    assert "Traceback" not in said


def test_store_that_cannot_be_used_is_told_before_the_first_node(toy):
    began = time.monotonic()
    code, said = kedro(toy, "run", MLFLOW_TRACKING_URI="sqlite:////dev/null/mlflow.db")
    assert code == 1
    assert "The MLflow store sqlite:////dev/null/mlflow.db cannot be used" in said
    assert "LEXIPIX_MLFLOW=0" in said
    assert "Traceback" not in said
    assert [path.name for path in (toy / "data").iterdir()] == [".run.lock"]
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("options", [["--tags", "nope"], ["--nodes", "nope"], ["--from-inputs", "nope"]])
def test_a_part_that_does_not_exist_is_a_sentence(toy, options):
    code, said = kedro(toy, "run", *options, LEXIPIX_MLFLOW="0")
    assert code == 1
    assert "kedro registry describe __default__" in said and "Traceback" not in said


def test_unknown_pipeline_lists_the_known(toy):
    code, said = kedro(toy, "run", "--pipelines", "inges,features")
    assert code == 2
    assert "inges is no pipeline: choose from ingestion, features, captioner" in said

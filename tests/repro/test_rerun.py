"""``kedro reproduce``: a run of the MLflow store done again from its revision, inputs and command."""

import json
import shutil
import subprocess

import mlflow
import numpy as np
import pytest
from PIL import Image
from tests.support.project import Project, commit_all, copy_project, run_kedro


def store(path):
    return mlflow.MlflowClient(tracking_uri=f"sqlite:///{path / 'mlflow.db'}")


def runs_of(path):
    client = store(path)
    experiment = client.get_experiment_by_name("lexipix-smoke")
    return client.search_runs([experiment.experiment_id])


def whole_run(smoke):
    return next(run for run in runs_of(smoke.path) if run.info.run_name == "all@smoke")


def worktrees(path):
    said = subprocess.run(["git", "worktree", "list"], cwd=path, check=True, capture_output=True, text=True)
    return said.stdout.splitlines()


def test_stages_give_the_same_bytes_again(smoke, tmp_path):
    """A training, what is chosen by measured speeds, drawing and measuring.

    That all other trainings give the same bytes is tested with the interruptions.
    """
    project = Project(shutil.copytree(smoke.path, tmp_path / "project"), smoke.said)
    nodes = "train_vae,train_evaluator,measure_generators,redraw,measure"
    weights = project.data / "06_models" / "vae" / "model.safetensors"
    metrics = project.data / "08_reporting" / "metrics" / "vae.json"
    before = weights.read_bytes()
    quality = {name: value for name, value in json.loads(metrics.read_text()).items() if name[:4] == "val_"}
    answer = project.kedro("run", "--env", "smoke", "--nodes", nodes)
    assert answer.returncode == 0, answer.stderr
    assert weights.read_bytes() == before
    assert quality and quality.items() <= json.loads(metrics.read_text()).items()

    (run,) = (run for run in runs_of(project.path) if run.info.run_name != "all@smoke")
    before = weights.stat().st_mtime_ns
    answer = project.kedro("reproduce", run.info.run_id)
    assert answer.returncode == 0, answer.stdout + answer.stderr[-3000:]
    assert answer.stdout.splitlines()[-1].startswith("Reproduced: ")
    shown = [line for line in answer.stdout.splitlines() if line.startswith("data/smoke/")]
    verdicts = {path.rpartition("/")[2]: verdict for path, _, verdict in (x.partition(": ") for x in shown)}
    # What shows measured speeds is never the same
    assert verdicts == {"frontier_sheet.png": "measured again"}
    assert store(project.path).get_run(run.info.run_id).data.tags["reproduced"].count(" identical") == 2
    assert len(worktrees(project.path)) == 1
    assert weights.stat().st_mtime_ns == before, "nothing in the project changes"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project under version control, with pictures of its own and no run yet."""
    path = copy_project(tmp_path_factory.mktemp("reproduce"))
    draw = np.random.default_rng(5)
    (path / "data" / "mine").mkdir(parents=True)
    for number in range(30):
        pixels = draw.integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(path / "data" / "mine" / f"{number}.png")
        (path / "data" / "mine" / f"{number}.txt").write_text(f"noise number {number}", encoding="utf-8")
    commit_all(path)
    return path


def ingest(project):
    params = ",".join(
        ("ingestion.source.kind=folder", "ingestion.source.path=data/mine", "ingestion.image_size=32")
    )
    answer = run_kedro(project, "run", "--env=smoke", "--pipelines=ingestion", f"--params={params}")
    assert answer.returncode == 0, answer.stderr
    return runs_of(project)[0]


def test_changed_code_is_kept_with_the_run_and_comes_back(project):
    nodes = project / "src" / "lexipix" / "pipelines" / "ingestion" / "nodes.py"
    before = nodes.read_text(encoding="utf-8")
    nodes.write_text(before + "\nCHANGED = 'é'\n", encoding="utf-8")
    (nodes.parent / "added.py").write_text("NEW = 1\n", encoding="utf-8")
    run = ingest(project)
    nodes.write_text(before, encoding="utf-8")
    (nodes.parent / "added.py").unlink()
    assert run.data.tags["git.dirty"] == "true"
    changes = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/code.diff")
    assert "+CHANGED = 'é'" in changes
    assert "added.py" in changes
    place = project / "again"
    answer = run_kedro(project, "reproduce", run.info.run_id, "--out", str(place))
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "Reproduced: 4 identical." in answer.stdout
    assert (place / "src/lexipix/pipelines/ingestion/added.py").is_file()
    assert "CHANGED" in (place / "src/lexipix/pipelines/ingestion/nodes.py").read_text(encoding="utf-8")
    subprocess.run(["git", "worktree", "remove", "--force", str(place)], cwd=project, check=True)


@pytest.fixture(scope="module")
def run(project):
    """A run of the ingestion in the project."""
    return ingest(project)


def test_a_run_that_cannot_be_done_again_is_told_why(project, run):
    client, revision = store(project), run.data.tags["git.revision"]
    client.set_tag(run.info.run_id, "git.revision", "0" * 40)
    answer = run_kedro(project, "reproduce", run.info.run_id, "--check")
    client.set_tag(run.info.run_id, "git.revision", revision)
    assert answer.returncode == 1
    assert "is not in this repository: fetch it" in answer.stdout
    assert "Traceback" not in answer.stderr
    answer = run_kedro(project, "reproduce", "nonsense")
    assert answer.returncode == 1
    assert "has no run 'nonsense': copy the id" in answer.stderr


def test_other_pictures_are_noticed(project, run):
    (project / "data" / "mine" / "3.txt").write_text("something else", encoding="utf-8")
    answer = run_kedro(project, "reproduce", run.info.run_id)
    assert answer.returncode == 1
    assert "data/smoke/03_primary/images: different" in answer.stdout
    assert "is not reproduced" in answer.stderr
    kept = next(line for line in answer.stdout.splitlines() if line.startswith("The new files are in "))
    shutil.rmtree(kept.split()[5].rstrip(";"))


def test_lineage_names_inputs_outputs_and_who_made_them(smoke):
    run = whole_run(smoke)
    found = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/lineage.json"))
    assert found["inputs"] == {}
    assert found["outputs"]["vae"]["path"] == "data/smoke/06_models/vae"
    assert found["outputs"]["vae"]["md5"].endswith(".dir")
    assert f"vae={found['outputs']['vae']['md5'][:16]}" in run.data.tags["outputs"]
    digest = run.inputs.dataset_inputs[0].dataset.digest
    assert digest == found["outputs"]["image_splits"]["md5"]
    assert run.data.tags["seed"] == "7"
    assert len(run.data.tags["requirements.lock"]) == 32

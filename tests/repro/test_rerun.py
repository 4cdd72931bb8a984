"""``kedro reproduce``: a run of the MLflow store done again from its revision, inputs and command."""

import json
import shutil
import subprocess
from types import SimpleNamespace

import mlflow
import numpy as np
import pytest
from PIL import Image
from tests.support.project import REPOSITORY, Project, commit_all, new_clone, run_kedro

from lexipix.repro import rerun
from lexipix.repro.digests import named_digest
from lexipix.repro.lineage_file import read_lineage
from lexipix.tracking.run import TrackedRun
from lexipix.utils.errors import LexipixError
from lexipix.utils.git import run_git

MINE = "my-pictures"


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
    nodes = "train_vae,train_evaluator,measure_generators,draw_test_images,measure_images"
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
    path = new_clone(tmp_path_factory.mktemp("reproduce"))
    draw = np.random.default_rng(5)
    (path / MINE).mkdir()
    for number in range(30):
        pixels = draw.integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(pixels).save(path / MINE / f"{number}.png")
        (path / MINE / f"{number}.txt").write_text(f"noise number {number}", encoding="utf-8")
    return path


def ingest(project):
    params = ",".join(
        ("ingestion.source.kind=folder", f"ingestion.source.path={MINE}", "ingestion.image_size=32")
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


def test_other_pictures_are_noticed_before_anything_runs(project, run):
    caption, hidden = project / MINE / "3.txt", project / "elsewhere"
    caption.write_text("something else", encoding="utf-8")
    answer = run_kedro(project, "reproduce", run.info.run_id)
    caption.write_text("noise number 3", encoding="utf-8")
    assert answer.returncode == 1
    assert f"ingestion.source.path = {MINE} has changed since the run" in answer.stdout
    (project / MINE).rename(hidden)
    answer = run_kedro(project, "reproduce", run.info.run_id, "--check")
    hidden.rename(project / MINE)
    assert answer.returncode == 1
    assert f"ingestion.source.path = {MINE} does not exist any more" in answer.stdout
    assert "It can be reproduced" not in answer.stdout


def test_the_pictures_are_an_input_with_their_digest(run):
    lineage = json.loads(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/lineage.json"))
    found = lineage["inputs"]["ingestion.source.path"]
    assert found["path"] == MINE and found["md5"].endswith(".dir")


def stage(**changes):
    """A finished run of the ingestion, as the store keeps it."""
    revision = run_git(REPOSITORY, "rev-parse", "HEAD")
    files = {"images": {"path": "data/images", "md5": "a"}}
    facts = {
        "name": "ingestion@folder",
        "status": "FINISHED",
        "tags": {
            "git.revision": revision,
            "git.dirty": "false",
            "command": "kedro run --pipelines ingestion",
        },
        "parameters": {"ingestion.source.kind": "folder", "ingestion.source.path": "null"},
        "lineage": {"nodes": ["ingest"], "measured": [], "pins": {}, "inputs": {}, "outputs": files},
        "changes": "",
    }
    return rerun.Stage(**facts | changes)


def test_a_run_that_can_be_done_again_has_no_obstacle():
    assert rerun.obstacles(REPOSITORY, [stage()]) == []


def test_a_run_that_recorded_nothing_is_no_success():
    empty = {"nodes": [], "measured": [], "pins": {}, "inputs": {}, "outputs": {}}
    (line,) = rerun.obstacles(REPOSITORY, [stage(lineage=empty)])
    assert "recorded no file that it wrote: there is nothing to compare with" in line


def test_code_of_which_git_could_not_tell_is_an_obstacle():
    tags = stage().tags | {"git.dirty": "unknown"}
    (line,) = rerun.obstacles(REPOSITORY, [stage(tags=tags, changes=None)])
    assert "git could not tell" in line


def test_a_data_set_of_the_hub_is_no_folder_that_is_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    parameters = {"ingestion.source.kind": "folder", "ingestion.source.path": "somebody/pictures"}
    (line,) = rerun.obstacles(REPOSITORY, [stage(parameters=parameters)])
    assert "it read the data set somebody/pictures of the Hugging Face Hub" in line


def test_a_configuration_that_was_not_recorded_is_an_obstacle():
    command = "kedro run --env smoke --conf-source /mine --pipelines ingestion"
    (line,) = rerun.obstacles(REPOSITORY, [stage(tags=stage().tags | {"command": command})])
    assert "--conf-source" in line and line.endswith(f"by hand: {command}")


def test_git_that_cannot_look_for_a_commit_is_told_apart(tmp_path, monkeypatch):
    one = stage()
    (line,) = rerun.obstacles(tmp_path, [one])
    assert "whether its commit" in line and "not a git repository" in line
    monkeypatch.setenv("PATH", str(tmp_path))
    (line,) = rerun.obstacles(REPOSITORY, [one])
    assert "git cannot be run" in line and "is not in this repository" not in line


def test_a_worktree_that_was_being_made_when_its_process_was_killed_is_made_again(tmp_path):
    project, folder = tmp_path / "project", tmp_path / "again"
    project.mkdir()
    (project / "file").write_text("a")
    commit_all(project)
    tags = {"git.revision": run_git(project, "rev-parse", "HEAD"), "command": "kedro run"}
    run_git(project, "worktree", "add", "--lock", "--detach", str(folder), tags["git.revision"])
    shutil.rmtree(folder)
    rerun.prepare(project, [stage(tags=tags)], folder)
    assert (folder / "file").read_text() == "a"


def test_a_patch_with_bytes_that_are_no_utf_8_comes_back(tmp_path, empty_mlflow_store, monkeypatch):
    project, folder = tmp_path / "project", tmp_path / "again"
    project.mkdir()
    (project / "file").write_bytes(b"caf\xe9\r\n")
    commit_all(project)
    (project / "file").write_bytes(b"th\xe9\r\n")
    revision, changes = run_git(project, "rev-parse", "HEAD"), run_git(project, "diff") + "\n"
    (project / "file").write_bytes(b"caf\xe9\r\n")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_mlflow_store)
    monkeypatch.setattr("lexipix.tracking.run.uncommitted", lambda: changes)
    run = TrackedRun(project, {"env": "smoke", "runtime_params": {"x": "\udcff"}}, {"x": "\udcff"})
    run.end("FINISHED")
    client = mlflow.MlflowClient(tracking_uri=empty_mlflow_store)
    client.set_tag(run.run_id, "git.revision", revision)
    (found,) = rerun.stages(client, run.run_id)
    assert found.changes == changes
    rerun.prepare(project, [found], folder)
    assert (folder / "file").read_bytes() == b"th\xe9\r\n"


@pytest.mark.parametrize("cut", [b"", b"{", b"[]", b"\xff", b'{"measured": []}', "inputs", "path", "md5"])
def test_a_damaged_record_is_a_sentence(cut):
    lineage = stage().lineage | {"inputs": {"a": {"path": "data/a", "md5": "b"}}}
    if cut == "inputs":
        lineage |= {"inputs": []}
    elif isinstance(cut, str):
        lineage["inputs"]["a"][cut] = None
    content = cut if isinstance(cut, bytes) else json.dumps(lineage).encode()
    with pytest.raises(
        LexipixError, match=r"Run r cannot be repeated: its record.*lineage\.json, is damaged"
    ):
        read_lineage(content, "r")


def test_a_whole_record_and_one_of_an_earlier_version_are_read():
    named = {"ingestion.source.path": {"path": "mine"}}
    for lineage in (stage().lineage, stage().lineage | {"inputs": named}, {"inputs": {}, "outputs": {}}):
        assert read_lineage(json.dumps(lineage).encode(), "r") == lineage


def test_a_source_of_an_earlier_version_is_looked_for(tmp_path):
    parameters = {"ingestion.source.kind": "folder", "ingestion.source.path": str(tmp_path / "gone")}
    (line,) = rerun.obstacles(REPOSITORY, [stage(parameters=parameters)])
    assert "does not exist any more" in line


def test_a_folder_outside_of_the_project_may_be_read_but_not_written(tmp_path):
    (tmp_path / "a.png").write_bytes(b"a")
    named = {"ingestion.source.path": {"path": str(tmp_path), "md5": named_digest(tmp_path)}}
    lineage = stage().lineage | {"inputs": named}
    assert rerun.obstacles(REPOSITORY, [stage(lineage=lineage)]) == []
    outputs = {"images": {"path": str(tmp_path), "md5": "a"}}
    (line,) = rerun.obstacles(REPOSITORY, [stage(lineage=lineage | {"outputs": outputs})])
    assert "outside the project" in line


def test_a_linked_folder_that_has_changed_is_an_obstacle(tmp_path):
    for name in ("mine", "beside"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(b"a")
    (tmp_path / "mine" / "more").symlink_to(tmp_path / "beside")
    named = {"path": str(tmp_path / "mine"), "md5": named_digest(tmp_path / "mine")}
    lineage = stage().lineage | {"inputs": {"ingestion.source.path": named}}
    assert rerun.obstacles(REPOSITORY, [stage(lineage=lineage)]) == []
    (tmp_path / "beside" / "a.png").write_bytes(b"b")
    (line,) = rerun.obstacles(REPOSITORY, [stage(lineage=lineage)])
    assert "has changed since the run" in line
    for name in ("metadata.csv", "metadata.json"):
        (tmp_path / "mine" / name).write_text("{}")
    (line,) = rerun.obstacles(REPOSITORY, [stage(lineage=lineage)])
    assert "cannot be read as the run read it" in line and "has both metadata.csv and metadata.json" in line


@pytest.mark.parametrize("name", ["mine", "my pictures", "set #2", "a,b", "deep/er", "007"])
def test_the_worktree_has_what_parameters_name_whatever_it_looks_like(tmp_path, name):
    project, folder = tmp_path / "project", tmp_path / "again"
    (project / name).mkdir(parents=True)
    (project / "file").write_text("a")
    commit_all(project)
    tags = {"git.revision": run_git(project, "rev-parse", "HEAD"), "command": "kedro run"}
    one = stage(tags=tags, parameters={"ingestion.source.path": name, "features.tokenizer": "gpt2"})
    rerun.prepare(project, [one], folder)
    assert (folder / name).resolve() == project / name
    assert not (folder / "gpt2").exists()


def test_a_path_that_leads_out_of_the_project_is_given_absolute(tmp_path, monkeypatch):
    (tmp_path / "beside").mkdir()
    (tmp_path / "project").mkdir()
    one, started = stage(parameters={"ingestion.source.path": "../beside"}), []
    monkeypatch.setattr(
        rerun.subprocess, "run", lambda words, **_: started.append(words) or SimpleNamespace(returncode=0)
    )
    assert rerun.run_again(one, tmp_path / "again", tmp_path / "project") == 0
    assert started[0][-1] == f"--params=ingestion.source.path={tmp_path / 'beside'}"


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

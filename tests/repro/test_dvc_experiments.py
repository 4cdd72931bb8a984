"""Experiments of DVC in a git project of their own: from the queue, and in the workspace."""

import csv
import io
import json
import re
import shutil

import mlflow
import pytest
from PIL import Image, ImageChops
from tests.support.dvc_project import LAST, dvc, dvc_and_log, git, introduce, stages_run

PARAMETERS = "conf/base/parameters_evaluation.yml"
SHEET = "data/08_reporting/evaluation_sheet.png"
METRICS = "data/08_reporting/metrics.json"
# Each experiment changes what the report shows, and shortens the rest of the evaluation.
SHORT = tuple(
    word
    for change in (
        "evaluator.training.num_images=256", "n_images=32", "n_prompts=0", "rate.n_images=null",
        "information.n_images=null", "classifier.n_drawn=null",
    )
    for word in ("-S", f"{PARAMETERS}:evaluation.{change}")
)  # fmt: skip


def shown(n):
    return ("-S", f"{PARAMETERS}:evaluation.n_shown={n}")


@pytest.fixture(scope="module")
def project(recorded, tmp_path_factory):
    """A clone with the results, in which the experiment `aside` has run from the queue."""
    path = tmp_path_factory.mktemp("experiments") / "project"
    git(recorded, "clone", "--quiet", str(recorded), str(path))
    introduce(path)
    shutil.copytree(recorded / ".dvc" / "cache", path / ".dvc" / "cache")
    dvc(path, "checkout", "--quiet", "--with-deps", LAST)
    shutil.copy(recorded / "mlflow.db", path)
    dvc(path, "exp", "run", LAST, "--queue", "-n", "aside", *shown(3), *SHORT)
    assert "aside" in dvc(path, "queue", "status")
    try:
        said = dvc_and_log(path, "exp", "run", "--run-all")
    finally:
        dvc(path, "queue", "stop", "--kill")
    return path, said


def test_experiments_run_what_they_change_and_leave_the_workspace_alone(project):
    path, said = project
    assert stages_run(said) == ["evaluation"]
    assert git(path, "status", "--porcelain") == ""
    assert "evaluation@base:" not in dvc(path, "status", LAST)


def test_their_runs_are_in_the_main_store_and_say_what_made_them(project):
    path, _ = project
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{path / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lexipix")
    runs = client.search_runs([experiment.experiment_id], "attributes.status = 'FINISHED'")
    assert {run.data.tags["dvc.experiment"] for run in runs} == {"aside"}
    stages = [run for run in runs if "dvc.stage" in run.data.tags]
    parents = {run.info.run_id: run.info.run_name for run in runs if run not in stages}
    assert list(parents.values()) == ["aside@base"]
    revision = git(path, "rev-parse", "HEAD").strip()
    for run in stages:
        assert parents[run.data.tags["mlflow.parentRunId"]].startswith(run.data.tags["dvc.experiment"])
        assert run.data.tags["dvc.stage"] == LAST
        assert run.data.tags["dvc.baseline"] == run.data.tags["git.revision"] == revision
        assert run.data.params["evaluation.n_shown"] == "3"
        assert run.info.artifact_uri.startswith((path / "mlartifacts").as_uri())
        images = [file.path for file in client.list_artifacts(run.info.run_id, "images")]
        assert any(path.startswith("images/evaluation~paths+step+0+") for path in images)


def test_table_of_experiments_has_their_parameters_and_figures(project):
    path, _ = project
    rows = list(csv.DictReader(io.StringIO(dvc(path, "exp", "show", "--csv"))))
    by_name = {row["Experiment"]: row for row in rows if row["Experiment"]}
    # Other environments have a parameter of this name too, so that the column has the file's
    n_shown = {name: row[f"{PARAMETERS}:evaluation.n_shown"] for name, row in by_name.items()}
    assert n_shown == {"aside": "3"}

    _, baseline = json.loads(dvc(path, "exp", "show", "--json"))
    for experiment in baseline["experiments"]:
        (revision,) = experiment["revs"]
        figures = revision["data"]["metrics"][METRICS]["data"]
        assert figures["data"]["n_test"] == 64
        assert float(by_name[experiment["name"]]["direct.psnr"]) == figures["direct"]["psnr"]


def test_figures_of_two_revisions_are_compared(project):
    path, _ = project
    found = json.loads(dvc(path, "metrics", "diff", "HEAD", "aside", "--json"))[METRICS]
    psnr = found["direct.psnr"]
    assert psnr["old"] != psnr["new"] and psnr["diff"] == pytest.approx(psnr["new"] - psnr["old"])
    found = json.loads(dvc(path, "params", "diff", "HEAD", "aside", "--json"))[PARAMETERS]
    assert found["evaluation.n_shown"] == {"old": 6, "new": 3, "diff": -3}


def test_pictures_of_two_revisions_stand_side_by_side(project, tmp_path):
    path, _ = project
    dvc(path, "plots", "diff", "HEAD", "aside", "--targets", SHEET, "--out", str(tmp_path))
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    sources = re.findall(r'<img src="([^"]+)"', page)
    assert len(sources) == 2
    whole, aside = (Image.open(tmp_path / source).convert("RGB") for source in sources)
    assert whole.size[1] > aside.size[1], "six and three pictures of the test split"
    ours = Image.open(path / SHEET).convert("RGB")
    assert ImageChops.difference(whole, ours).getbbox() is None


def test_what_ran_aside_is_not_run_again_in_the_workspace(project):
    path, _ = project
    said = dvc(path, "exp", "run", LAST, "-n", "here", *shown(3), *SHORT)
    assert "Stage 'evaluation@base' is cached - skipping run, checking out outputs" in said
    assert stages_run(said) == []
    assert git(path, "status", "--porcelain").split() == ["M", PARAMETERS, "M", "dvc.lock"]
    assert "here" in dvc(path, "exp", "list", "--name-only").split()

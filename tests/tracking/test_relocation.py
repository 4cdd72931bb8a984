import os
import shutil
from pathlib import Path

import mlflow
import pytest

from lexipix.tracking import run as tracking
from lexipix.tracking.relocation import relocate
from lexipix.utils.errors import LexipixError


@pytest.fixture
def project(tmp_path, monkeypatch, empty_mlflow_store):
    """A project with one run, which has a file."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")  # so that what MLflow makes of it is undone
    path = tmp_path / "first place"
    path.mkdir()
    (path / "pyproject.toml").touch()
    shutil.move(tmp_path / "mlflow.db", path / "mlflow.db")
    log(path, "one")
    return path


def log(project, text):
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it to the store of the run before
    run = tracking.TrackedRun(project, {"env": "smoke"}, {})
    run._client.log_text(run.run_id, text, "note.txt")
    run.end("FINISHED")
    return run.run_id


def notes(project):
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lexipix-smoke")
    runs = client.search_runs([experiment.experiment_id])
    return sorted(mlflow.artifacts.load_text(f"{run.info.artifact_uri}/note.txt") for run in runs)


def files(project):
    return sorted(path.read_text() for path in project.rglob("note.txt"))


def test_a_copy_has_the_earlier_runs_and_writes_nothing_into_the_original(project, tmp_path):
    copy = shutil.copytree(project, tmp_path / "copy")
    log(copy, "two")
    assert files(copy) == notes(copy) == ["one", "two"]
    assert files(project) == notes(project) == ["one"]


def test_a_moved_project_finds_its_files(project, tmp_path):
    moved = project.rename(tmp_path / "moved")
    relocate(f"sqlite:///{moved / 'mlflow.db'}")
    assert notes(moved) == ["one"]
    log(moved, "two")
    assert files(moved) == notes(moved) == ["one", "two"]
    assert not project.exists()


def test_a_copy_without_artifacts_reads_the_earlier_ones_and_writes_its_own(project, tmp_path):
    copy = shutil.copytree(project, tmp_path / "copy", ignore=shutil.ignore_patterns("mlartifacts"))
    log(copy, "two")
    assert notes(copy) == ["one", "two"]
    assert files(copy) == ["two"] and files(project) == ["one"]


@pytest.mark.parametrize("hidden", [False, True])
def test_places_of_another_project_in_a_shared_store_stay(project, tmp_path, monkeypatch, hidden):
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").touch()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project / 'mlflow.db'}")
    monkeypatch.setattr(tracking, "store", lambda _: f"sqlite:///{project / 'mlflow.db'}")
    run = tracking.TrackedRun(other, {"env": "folder"}, {})
    run._client.log_text(run.run_id, "theirs", "note.txt")
    run.end("FINISHED")
    (project / "mlartifacts" / "lexipix-folder").mkdir()  # of earlier runs, in a store before this one

    def stat(path, known=Path.stat, **options):
        if path.is_relative_to(other):
            raise PermissionError(13, "Permission denied")
        return known(path, **options)

    with monkeypatch.context() as patch:
        if hidden:
            patch.setattr(Path, "stat", stat)
        relocate(f"sqlite:///{project / 'mlflow.db'}")
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    theirs = client.get_experiment_by_name("lexipix-folder")
    assert theirs.artifact_location == (other / "mlartifacts" / "lexipix-folder").as_uri()
    assert mlflow.artifacts.load_text(f"{client.get_run(run.run_id).info.artifact_uri}/note.txt") == "theirs"


def test_files_that_are_brought_after_a_move_are_found(project, tmp_path):
    files_of_runs = project / "mlartifacts"
    files_of_runs.rename(tmp_path / "kept")
    moved = project.rename(tmp_path / "moved")
    log(moved, "two")
    assert files(moved) == ["two"]
    shutil.copytree(tmp_path / "kept", moved / "mlartifacts", dirs_exist_ok=True)
    relocate(f"sqlite:///{moved / 'mlflow.db'}")
    assert notes(moved) == ["one", "two"]


def test_a_store_that_projects_share_stays_as_it_is(project, tmp_path):
    shared = tmp_path / "shared"
    shared.mkdir()
    shutil.copy(project / "mlflow.db", shared)
    relocate(f"sqlite:///{shared / 'mlflow.db'}")
    assert notes(shared) == ["one"]


def test_other_stores_and_missing_ones_are_left_alone(tmp_path):
    relocate("http://127.0.0.1:9")
    relocate(f"sqlite:///{tmp_path / 'none.db'}")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_a_sentence(tmp_path):
    (tmp_path / "mlflow.db").write_text("no database, but a text of some length " * 30)
    with pytest.raises(LexipixError, match=r"cannot be used \(file is not a database\)"):
        relocate(f"sqlite:///{tmp_path / 'mlflow.db'}")

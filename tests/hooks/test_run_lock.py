"""Two runs in one environment, and what a killed run left behind."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from lexipix.hooks import run_lock
from lexipix.hooks.run_lock import HOLDER, RunLockHooks
from lexipix.utils.errors import LexipixError

RUN = {"env": "smoke", "runtime_params": {"run.seed": 3}}
OTHER = """
import sys, time
from types import SimpleNamespace
from lexipix.hooks import run_lock
from lexipix.hooks.run_lock import RunLockHooks

hooks = RunLockHooks()
context = SimpleNamespace(project_path=sys.argv[1], config_loader={"globals": {"data_root": "data"}})
hooks.after_context_created(context)
hooks.before_pipeline_run(run_params={"env": "smoke"})
print("holds", flush=True)
time.sleep(60)
"""


@pytest.fixture
def hooks(tmp_path):
    one = RunLockHooks()
    one.after_context_created(
        SimpleNamespace(project_path=tmp_path, config_loader={"globals": {"data_root": "data"}})
    )
    return one


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "holds\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_run_learns_who_holds_the_environment_and_gets_it_when_that_was_killed(hooks, other):
    with pytest.raises(LexipixError, match=rf"process {other.pid}, since .*`kedro run --env smoke`\): wait"):
        hooks.before_pipeline_run(run_params=RUN)
    other.kill()
    other.wait()
    hooks.before_pipeline_run(run_params=RUN)


def test_a_run_that_has_ended_holds_nothing(hooks, tmp_path):
    for end in (hooks.after_pipeline_run, hooks.on_pipeline_error):
        hooks.before_pipeline_run(run_params=RUN)
        holder = json.loads((tmp_path / "data" / HOLDER).read_text())
        assert holder["command"] == "kedro run --env smoke --params=run.seed=3"
        end()
        assert not (tmp_path / "data" / HOLDER).exists()


def test_a_later_run_of_the_same_process_takes_over(hooks):
    hooks.before_pipeline_run(run_params=RUN)  # and fails before its first node, which no hook hears of
    hooks.before_pipeline_run(run_params=RUN)


def test_leftovers_of_killed_runs_are_removed(hooks, tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    images = tmp_path / "data" / "01_raw" / f".a.{ended.pid}.part"
    models = tmp_path / "data" / "06_models"
    (models / f".vae.{ended.pid}.old" / "inner").mkdir(parents=True)
    (models / f".metrics.{ended.pid}.part.json").touch()
    (models / ".hidden").touch()
    (models / "vae").mkdir()
    images.mkdir(parents=True)
    hooks.before_pipeline_run(run_params=RUN)
    assert sorted(path.name for path in models.iterdir()) == [".hidden", "vae"]
    assert images.exists(), "what the user keeps there is not ours"


def test_a_folder_that_has_become_read_only_does_not_fail_a_finished_run(
    hooks, tmp_path, monkeypatch, caplog
):
    def refuse(path, **_):
        raise OSError(30, "Read-only file system", str(path))

    hooks.before_pipeline_run(run_params=RUN)
    monkeypatch.setattr(Path, "unlink", refuse)
    hooks.after_pipeline_run()
    assert f"{HOLDER} could not be removed" in caplog.text
    monkeypatch.undo()
    hooks.before_pipeline_run(run_params=RUN)


def test_the_killed_run_is_no_longer_named_while_its_leftovers_are_removed(hooks, tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / HOLDER).write_text("{}")
    seen = []
    monkeypatch.setattr(run_lock, "remove_leftovers", lambda folder: seen.append((folder / HOLDER).exists()))
    hooks.before_pipeline_run(run_params=RUN)
    assert seen == [False]

"""What a user reads when a command ends before its time."""

import errno
import os
import signal
import time

import click
import pytest
from click.testing import CliRunner
from tests.support.project import REPOSITORY

from lexipix.cli.errors import Stopped, user_errors
from lexipix.cli.project_context import require_environment
from lexipix.cli.run import CONTINUE, run
from lexipix.utils.errors import LexipixError


@pytest.mark.parametrize(("words", "said"), [((), "Stopped."), ((CONTINUE,), f"Stopped. {CONTINUE}")])
def test_ctrl_c_shows_how_to_continue_if_the_command_can(words, said):
    with pytest.raises(Stopped) as stopped, user_errors(*words):
        raise KeyboardInterrupt
    assert stopped.value.message == said and stopped.value.exit_code == 130


def test_a_mistake_is_found_behind_the_error_that_kedro_makes_of_it():
    with pytest.raises(click.ClickException, match=r"^name a folder$"), user_errors():
        try:
            raise LexipixError("name a folder")
        except LexipixError as error:
            raise RuntimeError("failed while saving") from error


def test_a_full_disk_is_reported_and_a_defect_keeps_its_traceback():
    with pytest.raises(click.ClickException, match="disk is full"), user_errors():
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(click.ClickException, match=r"x\.db cannot be used, permission denied"), user_errors():
        raise PermissionError(errno.EACCES, "Permission denied", "x.db")
    with (
        pytest.raises(click.ClickException, match=r"x\.db cannot be used, the name"),
        user_errors(),
    ):
        raise OSError(errno.ENAMETOOLONG, "File name too long", "x.db")
    with pytest.raises(FileNotFoundError), user_errors():
        raise FileNotFoundError(errno.ENOENT, "No such file", "x.db")
    with pytest.raises(KeyError), user_errors():
        raise KeyError("x")


@pytest.mark.parametrize(("options", "env"), [(["--env", "nope"], {}), ([], {"KEDRO_ENV": "nope"})])
def test_an_unknown_environment_names_the_known_ones(options, env, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    answer = CliRunner().invoke(run, options, env=env)
    assert answer.exit_code == 1
    assert (
        answer.output == "Error: There is no environment 'nope': choose from base, cifar10, folder, smoke.\n"
    )


def test_a_library_that_turns_sigterm_into_an_error_does_not_hide_it():
    with pytest.raises(SystemExit) as ended, user_errors():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except SystemExit as error:
            raise AttributeError("half made") from error
    assert ended.value.code == 128 + signal.SIGTERM


def test_a_configuration_that_cannot_be_listed_is_a_sentence(tmp_path):
    with pytest.raises(LexipixError, match=r"conf cannot be read \(No such file"):
        require_environment(tmp_path / "conf", None)
    (tmp_path / "conf").write_text("")
    with pytest.raises(LexipixError, match=r"conf cannot be read \(Not a directory"):
        require_environment(tmp_path / "conf", None)


@pytest.mark.parametrize("content", ["", "walk: {}", "run: [a", "- a", "run: 3", "run: {nope: 1}"])
def test_a_file_of_options_that_is_wrong_is_a_sentence(content, tmp_path, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    (tmp_path / "run.yml").write_text(content)
    answer = CliRunner().invoke(run, ["--config", str(tmp_path / "run.yml"), "--pipelines", "nope"])
    assert answer.exit_code == 2
    assert "gives no options of kedro run" in " ".join(answer.output.split())


@pytest.mark.parametrize("option", ["--pipeline", "--pipelines"])
def test_an_unknown_pipeline_lists_the_known_ones(option, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    answer = CliRunner().invoke(run, [option, "nope"])
    assert answer.exit_code == 2
    assert "nope is no pipeline: choose from ingestion" in answer.output


def test_an_unknown_pipeline_cannot_control_the_terminal(monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    answer = CliRunner().invoke(run, ["--pipelines", "\u202etxt.exe"])
    assert answer.exit_code == 2
    assert "\u202e" not in answer.output and "\\u202etxt.exe is no pipeline" in answer.output

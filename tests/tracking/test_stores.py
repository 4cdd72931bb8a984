"""A store that cannot be used, in every command that opens one: one sentence, soon."""

import logging
import runpy
import sqlite3
import sys
import time

import pytest
from click.testing import CliRunner
from tests.support.servers import answering, free_port

from lexipix.cli.dvc import link
from lexipix.cli.reproduce import reproduce
from lexipix.tracking.registry import missing, registered_versions
from lexipix.tracking.stores import open_or_create_store, open_store
from lexipix.tracking.views import addresses
from lexipix.utils.errors import LexipixError


@pytest.fixture
def unreachable():
    return f"http://me:secret@127.0.0.1:{free_port()}"


@pytest.fixture
def older(empty_mlflow_store):
    """A store whose tables an older version of MLflow made."""
    with sqlite3.connect(empty_mlflow_store.removeprefix("sqlite:///")) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    return empty_mlflow_store


def test_a_store_that_can_be_used_is_opened(empty_mlflow_store):
    assert open_store(empty_mlflow_store).tracking_uri == empty_mlflow_store


def test_a_store_that_does_not_exist_is_created_for_a_run_only(tmp_path):
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(LexipixError, match="does not exist: `kedro run` creates it"):
        open_store(store)
    assert list(tmp_path.iterdir()) == []
    open_or_create_store(store)
    assert (tmp_path / "mlflow.db").is_file()


def test_a_run_may_do_without_a_store(unreachable):
    with pytest.raises(LexipixError, match="to another one, or set LEXIPIX_MLFLOW=0"):
        open_or_create_store(unreachable)
    with pytest.raises(LexipixError, match=r"fix it, or set MLFLOW_TRACKING_URI to another one\.$"):
        open_store(unreachable)


def test_tables_of_an_older_version_are_told_with_the_remedy(older):
    with pytest.raises(LexipixError, match=r"out-of-date database schema.*mlflow db upgrade"):
        open_store(older)


@pytest.mark.parametrize("status", [401, 404])
def test_a_server_that_is_no_mlflow_or_wants_a_password_is_a_sentence(status):
    with answering(200, status) as address, pytest.raises(LexipixError, match="cannot be used"):
        open_store(address)


class Metadata:
    """A project as Kedro hands it to its commands."""

    def __init__(self, path):
        self.project_path = path


@pytest.mark.parametrize("store", ["unreachable", "older"])
@pytest.mark.parametrize("command", ["reproduce", "link", "ui", "serve", "play"])
def test_every_command_says_so_without_a_traceback(request, monkeypatch, tmp_path, store, command):
    address = request.getfixturevalue(store)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    (tmp_path / "dvc.lock").write_text("stages: {}")
    began, metadata = time.monotonic(), Metadata(tmp_path)
    if command == "serve":
        said = missing(address, "lexipix-generator")
    elif command in ("ui", "play"):
        with pytest.raises(LexipixError) as caught:
            addresses(address, "http://here") if command == "ui" else registered_versions(address)
        said = str(caught.value)
    else:
        words = (reproduce, ["X"]) if command == "reproduce" else (link, [])
        answer = CliRunner().invoke(*words, obj=metadata)
        assert answer.exit_code == 1
        said = answer.output
        assert "secret" not in said and "has no run" not in said
    assert "cannot be used" in said
    assert time.monotonic() - began < 20


def test_a_run_that_is_not_there_is_told_apart(empty_mlflow_store, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_mlflow_store)
    answer = CliRunner().invoke(reproduce, ["X"], obj=Metadata(tmp_path))
    assert "has no run 'X': copy the id" in " ".join(answer.output.split())


def test_mlflow_shows_no_password_in_what_it_logs(empty_mlflow_store, capsys):
    open_store(empty_mlflow_store)
    logging.getLogger("mlflow.tracking").warning("API request to http://me:secret@host/api failed")
    said = capsys.readouterr().err
    assert "http://***@host/api" in said and "secret" not in said


@pytest.mark.parametrize("module", ["views", "registry"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # it is imported already
def test_make_ui_and_make_serve_show_no_password(unreachable, monkeypatch, module):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", unreachable)
    words = [unreachable, "http://here"] if module == "views" else ["lexipix-generator"]
    monkeypatch.setattr(sys, "argv", [module, *words])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"lexipix.tracking.{module}", run_name="__main__")
    assert "cannot be used" in str(ended.value) and "secret" not in str(ended.value)

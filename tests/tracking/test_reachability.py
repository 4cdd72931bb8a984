"""A tracking server that is not there, does not answer, or stops answering during a run."""

import os
import socket
import time

import mlflow
import pytest
from tests.support.servers import answering, free_port

from lexipix.tracking import reachability
from lexipix.tracking.reachability import Server
from lexipix.tracking.run import TrackedRun
from lexipix.utils.errors import LexipixError


@pytest.fixture
def silent():
    """The address of a server that accepts connections and says nothing."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _waiting_as_it_was(monkeypatch):
    for name in reachability._NO_WAITING:
        monkeypatch.setenv(name, "1")


def test_a_run_without_its_server_ends_at_once_with_a_sentence(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:secret@127.0.0.1:{free_port()}")
    began = time.monotonic()
    with pytest.raises(
        LexipixError, match=r"cannot be used \(.*refused.*\): fix it, set MLFLOW_TRACKING_URI"
    ):
        TrackedRun(tmp_path, {"env": "smoke"}, {})
    assert time.monotonic() - began < 10


def test_waiting_for_a_silent_server_ends(silent, monkeypatch):
    monkeypatch.setattr(reachability, "_SECONDS", 0.2)
    monkeypatch.setattr(reachability, "_PATIENCE", 2.0)
    server = Server(silent)
    assert "no answer within" in server.problem()
    assert [server.answers() for _ in range(3)] == [False] * 3
    began = time.monotonic()
    assert not any(server.answers() for _ in range(100))
    assert time.monotonic() - began < 0.1


def test_a_refusal_is_an_answer_and_a_file_needs_none():
    with answering(403) as refusing:
        assert Server(refusing).problem() is None and Server(refusing).answers()
    assert Server("sqlite:///mlflow.db").answers()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_proxy_that_answers_for_a_server_that_is_not_there_is_none(status):
    with answering(status) as proxy:
        assert f"it answers with status {status} " in Server(proxy).problem()
        assert not Server(proxy).answers()


def test_once_the_server_is_given_up_nothing_of_mlflow_waits_for_it(
    empty_mlflow_store, tmp_path, monkeypatch
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", empty_mlflow_store)
    run = TrackedRun(tmp_path, {"env": "smoke"}, {})
    gone = f"http://127.0.0.1:{free_port()}"
    run._server = Server(gone)
    calls = []
    monkeypatch.setattr(mlflow, "end_run", lambda status: calls.append(dict(os.environ)))
    run.end("FINISHED")
    monkeypatch.undo()
    mlflow.end_run("KILLED")
    (environment,) = calls
    assert reachability._NO_WAITING.items() <= environment.items()
    assert environment["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"
    client = mlflow.MlflowClient(tracking_uri=gone)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    began = time.monotonic()
    for _ in range(20):
        with pytest.raises(mlflow.MlflowException):
            client.log_metric("0" * 32, "a", 1.0)
    assert time.monotonic() - began < 5

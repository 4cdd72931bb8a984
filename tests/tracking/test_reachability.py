"""A tracking server that is not there, does not answer, or stops answering during a run."""

import http.server
import socket
import threading
import time

import pytest
from tests.support.servers import free_port

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


@pytest.fixture
def refusing():
    """The address of a server that answers everything with 403."""

    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_error(403)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


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


def test_any_answer_is_one_and_a_file_needs_none(refusing):
    assert Server(refusing).problem() is None and Server(refusing).answers()
    assert Server("sqlite:///mlflow.db").answers()

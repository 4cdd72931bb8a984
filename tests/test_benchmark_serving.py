"""The load of ``benchmarks/serving.py``, on a server that is worse than ours."""

import itertools
import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.support.benchmark_scripts import scripts  # noqa: F401

pytestmark = pytest.mark.usefixtures("scripts")


class Handler(BaseHTTPRequestHandler):
    """Answers honest requests but every third, whose connection it closes; refuses the others."""

    protocol_version = "HTTP/1.1"
    numbers = itertools.count()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if body == b"honest" and next(self.numbers) % 3 == 2:
            self.close_connection = True
            return
        self.send_response(200 if body == b"honest" else 400)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def port():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_closed_connections_are_errors_and_the_clients_go_on(port, monkeypatch):
    import serving

    monkeypatch.setattr(serving, "MINUTE", 0.3)
    row = serving.load(serving.Server(port, os.getpid()), [b"honest"], 2, 1, 1.5)
    assert row["requests"] > 10
    assert row["requests"] / 3 < row["errors"] < row["requests"], "every third, of all that were answered"
    assert row["refused"] >= 1
    assert len(row[serving.MEMORY]) >= 5 and min(row[serving.MEMORY]) > 10


def test_a_server_that_is_gone_is_no_result(monkeypatch):
    import serving

    with pytest.raises(SystemExit, match=r"None of .* requests was answered"):
        serving.load(serving.Server(1, os.getpid()), [b"honest"], 1, 0, 0.3)

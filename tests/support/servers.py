"""Servers as processes of their own, on a free port of this machine."""

import http.server
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.request import urlopen

SECONDS = 120  # until a server answers on a busy machine


def free_port() -> int:
    """A port on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def running_server(
    command: Sequence[str], address: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[tuple["subprocess.Popen[bytes]", Path]]:
    """A server and its log in ``folder``, once it answers at ``address`` with status 200."""
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        until = time.monotonic() + SECONDS
        while not _answers(address):
            if process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"no answer at {address}:\n{log.read_text(encoding='utf-8')[-3000:]}")
            time.sleep(0.1)
        yield process, log
    finally:
        with suppress(ProcessLookupError):  # it has ended by itself
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(20)


def _answers(address: str) -> bool:
    try:
        with urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def answering(status: int, others: int | None = None) -> Iterator[str]:
    """The address of a server that answers /health with one status, and all else with another one."""

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(status if self.path == "/health" else others or status)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()

"""Hostile requests to the service: bodies, headers, methods, paths, and clients that are slow or leave."""

import atexit
import http.client
import json
import socket
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import psutil
from tests.campaigns.captions import TEXTS
from tests.campaigns.findings import MAX_BYTES, Findings
from tests.support.exported_models import save_models
from tests.support.parameters import base_parameters
from tests.support.project import activated_environment
from tests.support.servers import free_port, running_server

from lexipix.tracking.model_packages import generator

N_UNITS, N_CASES = 100, 20
MAX_ANSWER = 100_000  # characters: an image, or the description of the service
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, 2**63, 10**30, "", "x", "a" * 5000, [], [[]], {}, {"a": 1}, ["a"], [None],
    [1, "a"], "\ud800",
)  # fmt: skip
_PATHS = (
    "/",
    "/ping",
    "/invocations/",
    "/version",
    "/../../etc/passwd",
    "/%00",
    "/invocations?x=" + "a" * 5000,
    "/docs",
    "//",
    "/health",
)
_TYPES = (
    "application/json",
    "text/csv",
    "application/vnd.apache.parquet",
    "text/plain",
    "application/xml",
    "multipart/form-data",
    "",
    "\xff",
    "application/json; charset=x",
)


class Campaign:
    """Each unit is twenty hostile requests and an honest one to the same server."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._server: _Server | None = None

    def unit(self, number: int, work: Path) -> Findings:
        """Send them; each gets an answer of status 200 or 4xx, and the honest request its picture."""
        findings = Findings()
        self._server = server = self._server or _Server()
        rng = np.random.default_rng([self.seed, 6, number])
        for case in range(N_CASES):
            start = time.perf_counter()
            name, status, text = self._send(server, rng)
            findings.check_time(f"case {case}, {name}", time.perf_counter() - start)
            if "Traceback" in text or "stack_trace" in text or status >= 500 or len(text) > MAX_ANSWER:
                findings.faults.append(f"case {case}, {name}: status {status}: {text[:500]}")
            elif status == 0 and not name.startswith("raw"):
                findings.faults.append(f"case {case}, {name}: no answer: {text[:300]}")
            else:  # a connection that sends no request is closed
                findings.outcomes["reject" if status == 0 else "result" if status < 400 else "sentence"] += 1
        status, text = server.post(json.dumps({"inputs": {"prompt": ["a red star"]}}).encode())
        if status != 200 or "png" not in text:
            findings.faults.append(f"an honest request after them: status {status}: {text[:300]}")
        if (used := server.memory()) > MAX_BYTES:
            findings.faults.append(f"the server uses {used / 2**20:,.0f} MB")
        return findings

    def _send(self, server: "_Server", rng: np.random.Generator) -> tuple[str, int, str]:
        kind = int(rng.integers(8))
        value, text = _VALUES[rng.integers(len(_VALUES))], TEXTS[rng.integers(len(TEXTS))]
        if kind == 0:
            name = ["seed", "count", "quality", "candidates", "unknown"][rng.integers(5)]
            body = {"inputs": {"prompt": ["a star"]}, "params": {name: value}}
            return f"{name} = {value!r:.50}", *server.post(_json(body))
        if kind == 1:
            shapes = (
                {"inputs": {"prompt": value}},
                {"inputs": value},
                {"dataframe_split": value},
                value,
                {"instances": [value]},
            )
            body = shapes[rng.integers(len(shapes))]
            return f"{body!r:.80}", *server.post(_json(body))
        if kind == 2:
            return f"prompt {text!r:.50}", *server.post(_json({"inputs": {"prompt": [text]}}))
        if kind == 3:
            bodies = (
                b"",
                b"{",
                b"[" * 100_000,
                b'{"a":' * 50_000,
                b"\xff\xfe",
                b"0" * 1_000_000,
                b"1e999999",
                b"a" * 20_000_000,
                b"\xff" * 1_000_000,
                b'{"inputs": {"prompt": ["' + b"x" * 999_999 + b'"' + b', ""' * 9_999 + b"]}}",
                b"NaN",
            )
            body = bodies[rng.integers(len(bodies))]
            return f"{body[:20]!r} ({len(body):,})", *server.post(body)
        if kind == 4:
            form = _TYPES[rng.integers(len(_TYPES))]
            bodies = (_json({"inputs": {"prompt": ["a star"]}}), b"PAR1", b"prompt\n" + b"x" * 100_000)
            return f"type {form!r}", *server.post(bodies[rng.integers(len(bodies))], content_type=form)
        if kind == 5:
            method = ["GET", "PUT", "DELETE", "HEAD", "OPTIONS", "TRACE", "PATCH", "BREW"][rng.integers(8)]
            path = [*_PATHS, "/invocations"][rng.integers(len(_PATHS) + 1)]
            return f"{method} {path[:50]}", *server.post(b"", method=method, path=path)
        raw = (
            b"", b"\0" * 1000, b"GET",
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
            b"POST /invocations HTTP/9.9\r\n\r\n",
            b"POST /invocations HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"POST /invocations HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000,
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        )[rng.integers(10)]  # fmt: skip
        return f"raw {raw[:30]!r}", *server.raw(raw)


class _Server:
    """The generator's service as `mlflow models serve` starts it; it ends with this process."""

    def __init__(self) -> None:
        ending = ExitStack()
        atexit.register(ending.close)
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="lexipix-service-")))
        project = folder / "project"
        save_models(project)
        package = generator(
            lambda name: project / "data" / "06_models" / name,
            base_parameters({"generation.prompts": ["a red star"]}),
        )
        mlflow.pyfunc.save_model(folder / "model", **package.content(folder / "code"))
        self.port = free_port()
        command = [
            sys.executable, "-m", "mlflow", "models", "serve", "-m", str(folder / "model"),
            "--env-manager", "local", "--host", "127.0.0.1", "--port", str(self.port),
        ]  # fmt: skip
        address = f"http://127.0.0.1:{self.port}/ping"
        self._process, _ = ending.enter_context(
            running_server(command, address, folder, activated_environment())
        )

    def post(
        self,
        body: bytes,
        content_type: str = "application/json",
        method: str = "POST",
        path: str = "/invocations",
    ) -> tuple[int, str]:
        """The status and text of the answer; 0 and the error if the connection ends before."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=False)
            if content_type:
                connection.putheader("Content-Type", content_type)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except (OSError, ValueError, http.client.HTTPException) as error:
            return 0, str(error)
        finally:
            connection.close()

    def raw(self, content: bytes) -> tuple[int, str]:
        """Send bytes, half-close, and read what comes within a second."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.settimeout(1)
            try:
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
                text = connection.recv(65_536).decode("utf-8", "replace")
            except OSError as error:
                return 0, str(error)
        words = text.split()
        return (int(words[1]) if len(words) > 1 and words[1].isdigit() else 0), text

    def memory(self) -> int:
        """Bytes of memory of the server and its workers."""
        parent = psutil.Process(self._process.pid)
        return sum(one.memory_info().rss for one in [parent, *parent.children(recursive=True)])


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()

"""Both services under load: time to the first answer, requests/s and latency percentiles.

    python benchmarks/serving.py [--env ENV] [--clients 16] [--seconds 60] [--only-mixed] [--out DIR]

Starts `mlflow models serve` for the champion of the registered generators, then for the captioner, on the
loopback interface. One client sends requests for a sixth of the time, then all clients for the whole time,
then all clients for a sixth while four others send invalid requests: no JSON, too many images, a body of 40
MB, an empty body, bytes that are no text, Parquet. With `--only-mixed` that is all, for the whole time. Each
client sends its next request as soon as it has the answer. A request holds one prompt that is not in the
cache, or one image of the test split. The clients are threads of one process and share the cores with the
server. Memory is that of the server's processes, read at the start, every minute and at the end.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import base64
import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from record import REPOSITORY, Row, save, table

from lexipix.cli.project_context import ProjectContext
from lexipix.scenes import caption, sample_scene
from lexipix.tracking.registry import CHAMPION, registered_name
from lexipix.tracking.run import store
from lexipix.utils.png import encode_png

N_REQUESTS = 2_000  # different requests; then they repeat
JSON = "application/json"
INVALID = (
    (b"{]", JSON),
    (b'{"inputs": {"prompt": ["a"]}, "params": {"count": 1000000}}', JSON),
    (b"x" * 40_000_000, JSON),
    (b"", JSON),
    (b"\xff" * 1_000_000, JSON),
    (b"PAR1", "application/vnd.apache.parquet"),
)
N_INVALID = 4  # clients that send them
MINUTE = 60.0
MEMORY = "memory by minute, MB"


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of the champions [default: base]")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--only-mixed", action="store_true", help="the load with invalid requests only")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    context = ProjectContext(REPOSITORY, arguments.env)
    rows: list[Row] = []
    for kind, bodies in (("generator", prompts(context)), ("captioner", image_splits(context))):
        with serving(registered_name(kind, arguments.env)) as server:
            start = time.perf_counter()
            while ask(server.connection(), bodies[0]) is None:
                pass
            first = time.perf_counter() - start
            many = f"{arguments.clients} clients"
            mixed = f"{many} and {N_INVALID} with invalid requests"
            for name, clients, bad, share in (
                [(mixed, arguments.clients, N_INVALID, 1.0)]
                if arguments.only_mixed
                else [
                    ("one client", 1, 0, 1 / 6),
                    (many, arguments.clients, 0, 1.0),
                    (mixed, arguments.clients, N_INVALID, 1 / 6),
                ]
            ):
                row = {"service": f"{kind}, {name}", "first answer, s": first}
                rows.append(row | load(server, bodies, clients, bad, share * arguments.seconds))
                print(rows[-1], file=sys.stderr, flush=True)
    notes = (__doc__ or "").split("\n\n")[-1].replace("\n", " ")
    shown = [{key: value for key, value in row.items() if key != MEMORY} for row in rows]
    page = save("serving", rows, {"clients": arguments.clients}, arguments.out, notes, shown)
    print(table(shown))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")
    if any(row["errors"] for row in rows):
        raise SystemExit("Some requests got a wrong answer: see the column errors.")


def prompts(context: ProjectContext) -> list[bytes]:
    """Return requests for one image each: of scenes, or of the environment's own prompts."""
    rng, source = np.random.default_rng(0), context.parameters.ingestion.source.kind
    texts: Sequence[str] = context.parameters.generation.prompts
    if source == "scenes":
        texts = [caption(sample_scene(rng)) for _ in range(N_REQUESTS)]
    return [json.dumps({"inputs": {"prompt": [text]}}).encode() for text in texts]


def image_splits(context: ProjectContext) -> list[bytes]:
    """Return requests for one caption each, of images of the test split."""
    images = context.load("image_splits").test.images[:N_REQUESTS]
    texts = [base64.b64encode(encode_png(np.asarray(image))).decode() for image in images]
    return [json.dumps({"inputs": {"picture": [text]}}).encode() for text in texts]


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    pid: int

    def connection(self) -> http.client.HTTPConnection:
        """A connection that is opened by its first request."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def memory_mb(self) -> float:
        """Resident memory of the server and its workers, in MB; 0 after its end."""
        try:
            parent = psutil.Process(self.pid)
            processes = [parent, *parent.children(recursive=True)]
            return sum(process.memory_info().rss for process in processes) / 1e6
        except psutil.NoSuchProcess:
            return 0.0


@contextlib.contextmanager
def serving(model: str) -> Iterator[Server]:
    """Start a server of the champion of that name."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    environment = {
        "UVICORN_LIMIT_CONCURRENCY": "64",
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "MLFLOW_TRACKING_URI": store(REPOSITORY),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{model}@{CHAMPION}"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        try:
            yield Server(port, process.pid)
            if process.poll() is not None:
                raise SystemExit(f"The server of {model} exited with status {process.returncode}.")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def ask(connection: http.client.HTTPConnection, body: bytes, kind: str = JSON) -> int | None:
    """Return the status of an answer; None if the connection fails, which the next request opens again."""
    try:
        connection.request("POST", "/invocations", body, {"Content-Type": kind})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        time.sleep(0.05)
        return None
    return answer.status


def load(
    server: Server, bodies: Sequence[bytes], n_clients: int, n_bad: int, seconds: float
) -> dict[str, Any]:
    """Send requests without a pause; return rates, latencies, memory and the number of wrong answers."""
    until, lock, taken = time.perf_counter() + seconds, threading.Lock(), list[float]()
    errors = refused = 0
    places = itertools.count()

    def client() -> None:
        nonlocal errors
        connection = server.connection()
        while (start := time.perf_counter()) < until:
            status = ask(connection, bodies[next(places) % len(bodies)])
            with lock:
                if status == 200:
                    taken.append(time.perf_counter() - start)
                else:
                    errors += 1

    def invalid_client() -> None:
        nonlocal errors, refused
        while time.perf_counter() < until:
            status = ask(server.connection(), *INVALID[next(places) % len(INVALID)])
            with lock:
                if status is not None and 400 <= status < 500:
                    refused += 1
                else:
                    errors += 1

    clients = [threading.Thread(target=client) for _ in range(n_clients)]
    clients += [threading.Thread(target=invalid_client) for _ in range(n_bad)]
    for one in clients:
        one.start()
    memory = [server.memory_mb()]
    while (left := until - time.perf_counter()) > 0:
        time.sleep(min(left, MINUTE))
        memory.append(server.memory_mb())
    for one in clients:
        one.join()
    if not taken:
        raise SystemExit(f"None of {errors:,} requests was answered.")
    milliseconds = 1000 * np.array(taken)
    return {
        "seconds": seconds,
        "requests": len(taken),
        "requests/s": len(taken) / seconds,
        "p50, ms": float(np.percentile(milliseconds, 50)),
        "p99, ms": float(np.percentile(milliseconds, 99)),
        "errors": errors,
        "refused": refused,
        "memory at first, MB": memory[0],
        "at the end": memory[-1],
        MEMORY: memory,
    }


if __name__ == "__main__":
    main()

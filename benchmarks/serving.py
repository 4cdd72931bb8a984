"""Both services under load: time to the first answer, requests/s and latency percentiles.

    python benchmarks/serving.py [--env ENV] [--clients 16] [--seconds 60] [--out DIR]

Starts `mlflow models serve` for the champion of the registered generators, then for the captioner, on the
loopback interface. One client sends requests for a sixth of the time, then all clients for the whole time,
then all clients for a sixth while four others send invalid requests: no JSON, too many images, a body of 40
MB, an empty body. Each client sends its next request as soon as it has the answer. A request holds one prompt
that is not in the cache, or one image of the test split. The clients are threads of one process and share the
cores with the server.
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
from pathlib import Path
from typing import Any

import numpy as np
from record import REPOSITORY, Row, save, table

from lexipix.cli.project_context import ProjectContext
from lexipix.scenes import caption, sample_scene
from lexipix.tracking.registry import CHAMPION, registered_name
from lexipix.tracking.run import store
from lexipix.utils.png import encode_png

N_REQUESTS = 2_000  # different requests; then they repeat
INVALID = (b"{]", b'{"inputs": {"prompt": ["a"]}, "params": {"count": 1000000}}', b"x" * 40_000_000, b"")


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of the champions [default: base]")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    context = ProjectContext(REPOSITORY, arguments.env)
    rows: list[Row] = []
    for kind, bodies in (("generator", prompts(context)), ("captioner", image_splits(context))):
        with serving(registered_name(kind, arguments.env)) as port:
            start = time.perf_counter()
            while ask(port, bodies[0]) is None:
                time.sleep(0.05)
            first = time.perf_counter() - start
            for name, clients, bad in (
                ("one client", 1, 0),
                (f"{arguments.clients} clients", arguments.clients, 0),
                (f"{arguments.clients} clients and 4 with invalid requests", arguments.clients, len(INVALID)),
            ):
                seconds = arguments.seconds / (1 if clients > 1 and not bad else 6)
                row = {"service": f"{kind}, {name}", "first answer, s": first}
                rows.append(row | load(port, bodies, clients, bad, seconds))
                print(rows[-1], file=sys.stderr, flush=True)
    notes = (__doc__ or "").split("\n\n")[-1].replace("\n", " ")
    page = save("serving", rows, {"clients": arguments.clients}, arguments.out, notes)
    print(table(rows))
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


@contextlib.contextmanager
def serving(model: str) -> Iterator[int]:
    """Start a server of the champion of that name and return its port."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    environment = {
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
            yield port
            if process.poll() is not None:
                raise SystemExit(f"The server of {model} exited with status {process.returncode}.")
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()


def ask(port: int, body: bytes) -> int | None:
    """Return the status of an answer; None if the server does not listen yet."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        return _status(connection, body)
    except OSError:
        return None


def load(port: int, bodies: Sequence[bytes], n_clients: int, n_bad: int, seconds: float) -> dict[str, Any]:
    """Send requests without a pause; return rates, latencies and the number of wrong answers."""
    until, lock, taken = time.perf_counter() + seconds, threading.Lock(), list[float]()
    errors = refused = 0
    places = itertools.count()

    def client() -> None:
        nonlocal errors
        connection, own, wrong = http.client.HTTPConnection("127.0.0.1", port, timeout=60), list[float](), 0
        while (start := time.perf_counter()) < until:
            wrong += _status(connection, bodies[next(places) % len(bodies)]) != 200
            own.append(time.perf_counter() - start)
        with lock:
            taken.extend(own)
            errors += wrong

    def invalid_client(body: bytes) -> None:
        nonlocal errors, refused
        while time.perf_counter() < until:
            status = ask(port, body)
            with lock:
                refused += 1
                errors += status is None or not 400 <= status < 500

    clients = [threading.Thread(target=client) for _ in range(n_clients)]
    clients += [threading.Thread(target=invalid_client, args=(body,)) for body in INVALID[:n_bad]]
    for one in clients:
        one.start()
    for one in clients:
        one.join()
    milliseconds = 1000 * np.array(taken)
    return {
        "seconds": seconds,
        "requests": len(taken),
        "requests/s": len(taken) / seconds,
        "p50, ms": float(np.percentile(milliseconds, 50)),
        "p99, ms": float(np.percentile(milliseconds, 99)),
        "errors": errors,
        "refused": refused,
    }


def _status(connection: http.client.HTTPConnection, body: bytes) -> int:
    connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    answer.read()
    return answer.status


if __name__ == "__main__":
    main()

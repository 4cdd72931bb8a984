"""Stages over images in shards, by the local loop and by workers of a Ray cluster on this machine.

    python benchmarks/engines.py [--rows 100000] [--distinct 100000] [--workers 2] [--rounds 3]
        [--stages ingestion features captioning] [--shard-rows 8192] [--env ENV] [--out DIR]

The images are embedded scenes in shards. Ingestion renders and writes `--distinct` of them. For the other
stages `shards.json` names the same shards again and again up to `--rows`, so that no image is copied. The
features stage embeds the training images, and the captioner describes them; both models are those of the
environment, which must be trained. The loop has as many threads as all workers together. Every measurement
runs in its own process, and the engines alternate. The start of a cluster and of its workers, with their
libraries, is measured apart. Memory is the peak of private memory: of the process of the run, and of the
largest worker.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from record import REPOSITORY, PeakMemory, Row, in_a_process, options, save, spread, stored_images

from lexipix.cli.project_context import ProjectContext
from lexipix.config.engine import EngineParameters
from lexipix.engines.base import Engine
from lexipix.engines.local import LocalEngine
from lexipix.utils.machine import n_cores
from lexipix.utils.types import ImageSplits

STAGES = ("ingestion", "features", "captioning")
N_HELD_OUT = 100  # images of each of the other splits


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="images of features and captioning")
    parser.add_argument(
        "--distinct", type=int, default=100_000, help="different images, those of the ingestion"
    )
    parser.add_argument("--shard-rows", type=int, default=8_192, help="images of a shard")
    parser.add_argument("--workers", type=int, default=2, help="workers of the cluster")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each stage and engine")
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=STAGES)
    parser.add_argument("--env", help="environment of the models [default: base]")
    arguments = options(parser, measure)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder, "images")
        task = {"shard_rows": arguments.shard_rows, "env": arguments.env, "distinct": arguments.distinct}
        if set(arguments.stages) != {"ingestion"}:
            in_a_process(__file__, {**task, "stage": "ingestion", "workers": 0, "store": str(images)})
            repeat_shards(images, arguments.rows)
        for stage in arguments.stages:
            store = str(Path(folder, "ingested") if stage == "ingestion" else images)
            measured: dict[int, list[dict[str, Any]]] = {0: [], arguments.workers: []}
            for _ in range(arguments.rounds):
                for workers, found in measured.items():
                    one = {**task, "stage": stage, "workers": workers, "store": store}
                    found.append(in_a_process(__file__, one))
                    print({"stage": stage, "workers": workers, **found[-1]}, file=sys.stderr, flush=True)
            local, ray = measured.values()
            rows.append(compared(stage, local[0]["n_images"], local, ray))
    facts = {"workers": arguments.workers, "images of a shard": arguments.shard_rows}
    page = save("engines", rows, facts, arguments.out, (__doc__ or "").split("\n\n")[-1].replace("\n", " "))
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def compared(
    stage: str, n_images: int, local: Sequence[dict[str, Any]], ray: Sequence[dict[str, Any]]
) -> Row:
    """Return a stage's row: rates, overhead of Ray over the loop (by rounds), memory, equality of bytes.

    Networks give the same bytes only with the same number of threads, which a worker does not have.
    """
    overheads = [b["seconds"] / a["seconds"] - 1 for a, b in zip(local, ray, strict=True)]
    row: Row = {"stage": stage, "images": n_images}
    for name, found in (("local", local), ("Ray", ray)):
        row[f"{name}, images/s"] = round(n_images / statistics.median(one["seconds"] for one in found), 1)
        row[f"{name}, MiB"] = max(one["mib"] for one in found)
    row["a worker, MiB"] = max(one["worker_mib"] for one in ray)
    row["start of the workers, s"] = round(statistics.median(one["start"] for one in ray), 1)
    row |= {f"overhead, {key}": round(value, 3) for key, value in spread(overheads).items()}
    return row | {"same bytes": len({one["digest"] for one in [*local, *ray]}) == 1}


def repeat_shards(store: Path, n_rows: int) -> None:
    """Name the training shards again in ``shards.json`` until they have ``n_rows`` images or more."""
    path = store / "shards.json"
    manifest = json.loads(path.read_bytes())
    shards = manifest["splits"]["train"]
    whole, n_found = list(shards), sum(shard["rows"] for shard in shards)
    while n_found < n_rows:
        shards.append(whole[len(shards) % len(whole)])
        n_found += shards[-1]["rows"]
    path.write_text(json.dumps(manifest), encoding="utf-8")


def measure(
    stage: str, workers: int, distinct: int, shard_rows: int, env: str | None, store: str
) -> dict[str, Any]:
    """Run one stage on the local loop (0 workers) or on a cluster; the seconds exclude its start."""
    import torch

    torch.set_num_threads(n_cores())
    context, start = ProjectContext(REPOSITORY, env), time.perf_counter()
    engine = _engine(workers, Path(store).parent)
    list(engine.map(_import_libraries, range(max(1, workers))))
    started = time.perf_counter() - start
    with PeakMemory() as memory, PeakMemory(_largest_worker_mib, every=0.5) as of_workers:
        start = time.perf_counter()
        if stage == "ingestion":
            n_images, content = ingest(engine, store, distinct, shard_rows)
        else:
            images = stored_images(Path(store))
            n_images, content = len(images.train), WORK[stage](engine, context, images)
        seconds = time.perf_counter() - start
    engine.close()
    return {
        "n_images": n_images, "seconds": round(seconds, 2), "start": started,
        "digest": hashlib.sha256(content).hexdigest(), "mib": round(memory.mib),
        "worker_mib": round(of_workers.mib),
    }  # fmt: skip


def ingest(engine: Engine, store: str, distinct: int, shard_rows: int) -> tuple[int, bytes]:
    """Render scenes into a store in shards; return their number and the store's manifest."""
    from stage_images import ingest_source

    counts = {"n_train": distinct - 2 * N_HELD_OUT, "n_val": N_HELD_OUT, "n_test": N_HELD_OUT}
    source = {"kind": "scenes", "scenes": counts}
    found = ingest_source(source, store, engine, shard_rows=shard_rows)
    return int(found["n_images"]), Path(store, "shards.json").read_bytes()


def embed(engine: Engine, context: ProjectContext, images: ImageSplits) -> bytes:
    """Embed the training images; return some of the embeddings."""
    from lexipix.training.embedding import embed_splits

    pair, run = context.load("contrastive_pair"), context.parameters.run
    found = embed_splits(pair, images, ("train",), run, engine)["train"]
    return np.ascontiguousarray(found[::97]).tobytes()


def describe(engine: Engine, context: ProjectContext, images: ImageSplits) -> bytes:
    """Caption the training images; return the captions."""
    from lexipix.evaluation.captioning import SplitCaptioning

    task = SplitCaptioning(context.load("captioner"), images, "train", context.parameters.run)
    written = task.write(np.arange(len(images.train)), engine)
    return json.dumps([text for text, _ in written]).encode()


WORK = {"features": embed, "captioning": describe}


def _largest_worker_mib() -> float:
    """Private memory of the largest worker of the cluster that this process started; 0 without one."""
    largest = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::"):
                memory = process.memory_info()
                largest = max(largest, (memory.rss - memory.shared) / 2**20)
    return largest


def _engine(workers: int, folder: Path) -> Engine:
    if not workers:
        return LocalEngine()
    from lexipix.engines.ray_engine import RayEngine

    parameters = EngineParameters(kind="ray", address=None, workers=workers, gpus_per_worker=0)
    return RayEngine(parameters, folder / "parts")


def _import_libraries(_: int) -> None:
    """What a worker imports for any stage, held long enough that each worker does it."""
    import lexipix.evaluation.captioning
    import lexipix.training.embedding  # noqa: F401

    time.sleep(1)


if __name__ == "__main__":
    main()

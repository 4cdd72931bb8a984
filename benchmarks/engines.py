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
import hashlib
import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from record import REPOSITORY, OwnMemory, Row, in_a_process, options, save, spread

from lexipix.cli.project_context import ProjectContext
from lexipix.config.engine import EngineParameters
from lexipix.engines.base import Engine
from lexipix.engines.local import LocalEngine
from lexipix.utils.machine import n_cores

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
    with tempfile.TemporaryDirectory() as name:
        folder, distinct = Path(name), arguments.distinct
        task = {
            "shard_rows": arguments.shard_rows,
            "env": arguments.env,
            "folder": name,
            "distinct": distinct,
        }
        if set(arguments.stages) != {"ingestion"}:
            in_a_process(__file__, {**task, "stage": "ingestion", "workers": 0})
            repeat_shards(folder / "images", arguments.rows)
        for stage in arguments.stages:
            measured: dict[int, list[dict[str, Any]]] = {0: [], arguments.workers: []}
            for _ in range(arguments.rounds):
                for workers, found in measured.items():
                    found.append(in_a_process(__file__, {**task, "stage": stage, "workers": workers}))
                    print({"stage": stage, "workers": workers, **found[-1]}, file=sys.stderr, flush=True)
            n_images = distinct if stage == "ingestion" else arguments.rows
            rows.append(compared(stage, n_images, measured[0], measured[arguments.workers]))
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
    stage: str, workers: int, distinct: int, shard_rows: int, env: str | None, folder: str
) -> dict[str, Any]:
    """Run one stage on the local loop (0 workers) or on a cluster; the seconds exclude its start."""
    import torch

    torch.set_num_threads(n_cores())
    context, start = ProjectContext(REPOSITORY, env), time.perf_counter()
    engine = _engine(workers, Path(folder))
    list(engine.map(_import_libraries, range(max(1, workers))))
    started = time.perf_counter() - start
    run = {"ingestion": ingest, "features": embed, "captioning": describe}[stage]
    with OwnMemory() as memory, WorkerMemory() as of_workers:
        start = time.perf_counter()
        digest = run(engine, context, Path(folder), distinct, shard_rows)
        seconds = time.perf_counter() - start
    engine.close()
    return {
        "seconds": round(seconds, 2), "start": started, "digest": digest, "mib": round(memory.mib),
        "worker_mib": round(of_workers.mib),
    }  # fmt: skip


def ingest(engine: Engine, context: ProjectContext, folder: Path, distinct: int, shard_rows: int) -> str:
    """Render scenes into a store in shards; return the digest of its manifest."""
    from lexipix.datasets.image_store import ImageStoreDataset
    from lexipix.datasets.pretrained import PretrainedModelsDataset
    from lexipix.datasets.sources.sources import SourcesDataset
    from lexipix.pipelines.ingestion.nodes import ingest as ingest_node

    counts = {"n_train": distinct - 2 * N_HELD_OUT, "n_val": N_HELD_OUT, "n_test": N_HELD_OUT}
    source = {"kind": "scenes", "scenes": counts}
    changes = {"ingestion": {"source": source, "shard_rows": shard_rows}}
    parameters = ProjectContext(REPOSITORY, "base", changes).parameters
    store = folder / "images"
    shutil.rmtree(store, ignore_errors=True)
    sources, pretrained = SourcesDataset().load(), PretrainedModelsDataset().load()
    stream = ingest_node(parameters.ingestion, parameters.run, sources, pretrained, engine)
    ImageStoreDataset(filepath=str(store)).save(stream)
    return hashlib.sha256((store / "shards.json").read_bytes()).hexdigest()


def embed(engine: Engine, context: ProjectContext, folder: Path, *_: Any) -> str:
    """Embed the training images; return the digest of the embeddings."""
    from lexipix.training.embedding import embed_splits

    pair, run = context.load("contrastive_pair"), context.parameters.run
    found = embed_splits(pair, _image_splits(folder), ("train",), run, engine)["train"]
    return hashlib.sha256(np.ascontiguousarray(found[::97]).tobytes()).hexdigest()


def describe(engine: Engine, context: ProjectContext, folder: Path, *_: Any) -> str:
    """Caption the training images; return the digest of the captions."""
    from lexipix.evaluation.captioning import SplitCaptioning

    splits, run = _image_splits(folder), context.parameters.run
    task = SplitCaptioning(context.load("captioner"), splits, "train", run)
    written = task.write(np.arange(len(splits.train)), engine)
    return hashlib.sha256(repr([text for text, _ in written]).encode()).hexdigest()


class WorkerMemory:
    """Measures the peak of private memory of the largest worker of a cluster while a block runs, in MiB."""

    def __init__(self) -> None:
        self.mib = 0.0
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> WorkerMemory:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            for process in psutil.Process().children(recursive=True):
                try:
                    if process.cmdline()[:1] and process.cmdline()[0].startswith("ray::"):
                        memory = process.memory_info()
                        self.mib = max(self.mib, (memory.rss - memory.shared) / 2**20)
                except psutil.NoSuchProcess:
                    continue


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


def _image_splits(folder: Path) -> Any:
    from lexipix.datasets.image_store import ImageStoreDataset

    return ImageStoreDataset(filepath=str(folder / "images")).load()


if __name__ == "__main__":
    main()

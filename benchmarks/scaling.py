"""How cost grows: seconds and peak memory of each stage over the number of pictures, their size, the threads.

    python benchmarks/scaling.py [--largest 100000] [--sizes 32 64 128] [--env ENV] [--out DIR]

The pictures are embedded scenes, made for the occasion. Ingestion writes them, the features stage's encoder
looks at them, the captioner describes them and the evaluation compares each with its neighbour (PSNR and
SSIM). Every measurement is a process of its own; its memory is what is its own at most, libraries' data
included, without the pages of the pictures' file, which the system keeps in memory as long as it likes. The
encoder and the captioner are those of the environment, which must be trained; sizes other than theirs are
measured without the captioner.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import REPOSITORY, OwnMemory, in_a_process, options, plot_growth, save, use_cores

from lexipix.datasets.sources.pool import n_workers

STAGES = ("ingestion", "features", "captioning", "evaluation")
SMALLEST, STEP = 1_000, 10
CHUNK = 1_000


def main() -> None:
    """Prints the table and where it was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--largest", type=int, default=100_000, help="number of pictures to go up to")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128], help="sides in pixels")
    parser.add_argument("--env", help="environment whose models are used [default: base, the scenes]")
    arguments = options(parser, measure)
    cores = n_workers(0)
    plan = [(n_images, 32, cores) for n_images in numbers(arguments.largest)]
    plan += [(10 * SMALLEST, size, cores) for size in arguments.sizes if size != 32]
    plan += [(10 * SMALLEST, 32, threads) for threads in range(1, cores)]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for n_images, size, threads in plan:
            row: dict[str, Any] = {"run": f"{n_images:,} of {size} pixels, {threads} threads"}
            for stage in STAGES:
                if stage == "captioning" and size != 32:
                    continue
                task = {"stage": stage, "n_images": n_images, "size": size, "threads": threads}
                found = in_a_process(__file__, {**task, "env": arguments.env, "folder": folder})
                row |= {f"{stage}, s": found["seconds"], f"{stage}, MiB": found["mib"]}
                print({**task, **found}, file=sys.stderr, flush=True)
            rows.append(row)
    counts = numbers(arguments.largest)
    drawings = {
        title: {stage: [row[f"{stage}, {unit}"] for row in rows[: len(counts)]] for stage in STAGES}
        for title, unit in (("seconds (dashed: in proportion)", "s"), ("memory, MiB", "MiB"))
    }
    page = save(
        "scaling",
        rows,
        {},
        arguments.out,
        (__doc__ or "").split("\n\n")[-1],
        pictures={"scaling": plot_growth(counts, drawings)},
    )
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def numbers(largest: int) -> list[int]:
    """1,000, 10,000 and so on up to the largest."""
    found = [SMALLEST]
    while found[-1] * STEP <= largest:
        found.append(found[-1] * STEP)
    return found


def measure(
    stage: str, n_images: int, size: int, threads: int, env: str | None, folder: str
) -> dict[str, float]:
    """One stage on so many pictures; its seconds are those of the work, without loading libraries."""
    use_cores(threads)
    place = Path(folder, f"{n_images}-{size}")
    if stage == "ingestion":
        with OwnMemory() as memory:
            seconds = ingest(place, n_images, size)
    else:
        import torch

        torch.set_num_threads(threads)
        with OwnMemory() as memory:
            seconds = {"features": look, "captioning": describe, "evaluation": compare}[stage](place, env)
    return {"seconds": round(seconds, 2), "mib": round(memory.mib)}


def ingest(place: Path, n_images: int, size: int) -> float:
    """Writes scenes into a picture store."""
    from ingestion import measure as ingested

    counts = {"n_train": n_images - 300, "n_val": 100, "n_test": 100, "n_judge": 100}
    return ingested({"kind": "scenes", "scenes": counts}, str(place), image_size=size)["seconds"]


def look(place: Path, env: str | None) -> float:
    """Takes the features stage's vectors of all pictures."""
    from lexipix.config.run import RunParameters
    from lexipix.pipelines.features.nodes import export_features

    pair, pictures = _model("contrastive_pair", env), _pictures(place)
    start = time.perf_counter()
    export_features(RunParameters(), pair, pictures)
    return time.perf_counter() - start


def describe(place: Path, env: str | None) -> float:
    """Captions all training pictures."""
    import torch
    from tokenizers import Tokenizer

    from lexipix.evaluation.captioning import write_captions
    from lexipix.models.captioner import Captioner
    from lexipix.training.bundles import load_network

    bundle, images = _model("captioner", env), _pictures(place).train.images
    network, tokenizer = load_network(bundle, Captioner), Tokenizer.from_str(bundle.tokenizer)
    start = time.perf_counter()
    write_captions(network, tokenizer, images, bundle.config["max_tokens"], device=torch.device("cpu"))
    return time.perf_counter() - start


def compare(place: Path, env: str | None) -> float:
    """PSNR and SSIM of each training picture and its neighbour, piece by piece from disk."""
    from lexipix.metrics.images import psnr, ssim

    images = _pictures(place).train.images
    start = time.perf_counter()
    for first in range(0, len(images) - 1, CHUNK):
        some = images[first : first + CHUNK + 1]
        psnr(some[:-1], some[1:])
        ssim(some[:-1], some[1:])
    return time.perf_counter() - start


def _pictures(place: Path) -> Any:
    from lexipix.datasets.image_store import PictureStoreDataset

    return PictureStoreDataset(filepath=str(place)).load()


def _model(name: str, env: str | None) -> Any:
    from lexipix.cli.project_context import ProjectContext

    return ProjectContext(REPOSITORY, env).load(name)


if __name__ == "__main__":
    main()

"""Seconds and peak memory of each stage over the number of images, their size and the number of threads.

    python benchmarks/scaling.py [--largest 100000] [--sizes 32 64 128] [--env ENV] [--out DIR]

The images are embedded scenes, rendered for each measurement. Ingestion writes them, the image encoder of the
features stage embeds them, the captioner describes them, and the evaluation compares each with the next (PSNR
and SSIM). Every measurement runs in its own process. Its memory is the peak of private memory, libraries
included, without the mapped pages of the image file, which the system can drop at any time. Encoder and
captioner are those of the environment, which must be trained. The captioner is measured at its own size only.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import REPOSITORY, PeakMemory, in_a_process, options, plot_growth, save, stored_images, use_cores

from lexipix.utils.machine import n_cores

STAGES = ("ingestion", "features", "captioning", "evaluation")
SMALLEST, STEP = 1_000, 10
CHUNK = 1_000


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--largest", type=int, default=100_000, help="largest number of images")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128], help="sides in pixels")
    parser.add_argument("--env", help="environment of the models [default: base]")
    arguments = options(parser, measure)
    cores = n_cores()
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
        images={"scaling": plot_growth(counts, drawings)},
    )
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def numbers(largest: int) -> list[int]:
    """Return 1,000, 10,000 and so on up to the largest."""
    found = [SMALLEST]
    while found[-1] * STEP <= largest:
        found.append(found[-1] * STEP)
    return found


def measure(
    stage: str, n_images: int, size: int, threads: int, env: str | None, folder: str
) -> dict[str, float]:
    """Run one stage on so many images; the seconds exclude loading of libraries."""
    use_cores(threads)
    place = Path(folder, f"{n_images}-{size}")
    if stage == "ingestion":
        with PeakMemory() as memory:
            seconds = ingest(place, n_images, size)
    else:
        import torch

        torch.set_num_threads(threads)
        with PeakMemory() as memory:
            seconds = {"features": embed, "captioning": describe, "evaluation": compare}[stage](place, env)
    return {"seconds": round(seconds, 2), "mib": round(memory.mib)}


def ingest(place: Path, n_images: int, size: int) -> float:
    """Write scenes into an image store and return the seconds."""
    from stage_images import ingest_source

    counts = {"n_train": n_images - 200, "n_val": 100, "n_test": 100}
    return ingest_source({"kind": "scenes", "scenes": counts}, str(place), image_size=size)["seconds"]


def embed(place: Path, env: str | None) -> float:
    """Embed all images and return the seconds."""
    from lexipix.cli.project_context import ProjectContext
    from lexipix.pipelines.features.nodes import export_features

    run = ProjectContext(REPOSITORY, env).parameters.run
    pair, image_splits = _model("contrastive_pair", env), stored_images(place)
    start = time.perf_counter()
    export_features(run, pair, image_splits)
    return time.perf_counter() - start


def describe(place: Path, env: str | None) -> float:
    """Caption all training images and return the seconds."""
    import torch
    from tokenizers import Tokenizer

    from lexipix.evaluation.captioning import write_captions
    from lexipix.models.captioner import Captioner
    from lexipix.training.bundles import load_network

    bundle, images = _model("captioner", env), stored_images(place).train.images
    network, tokenizer = load_network(bundle, Captioner), Tokenizer.from_str(bundle.tokenizer)
    start = time.perf_counter()
    write_captions(network, tokenizer, images, bundle.config["max_tokens"], device=torch.device("cpu"))
    return time.perf_counter() - start


def compare(place: Path, env: str | None) -> float:
    """Compute PSNR and SSIM of each training image and the next, in chunks from disk; return the seconds."""
    from lexipix.metrics.images import psnr, ssim

    images = stored_images(place).train.images
    start = time.perf_counter()
    for first in range(0, len(images) - 1, CHUNK):
        some = images[first : first + CHUNK + 1]
        psnr(some[:-1], some[1:])
        ssim(some[:-1], some[1:])
    return time.perf_counter() - start


def _model(name: str, env: str | None) -> Any:
    from lexipix.cli.project_context import ProjectContext

    return ProjectContext(REPOSITORY, env).load(name)


if __name__ == "__main__":
    main()

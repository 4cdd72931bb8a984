"""Ingestion beside the library `datasets`, and PSNR and SSIM beside a loop over scikit-image."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from record import REPOSITORY, Row
from turns import comparison, take_turns

sys.path.insert(0, str(REPOSITORY))

from tests.support.reference_metrics import psnr_and_ssim

from lexipix.cli.project_context import ProjectContext
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.metrics.images import psnr, ssim
from lexipix.scenes import caption, render_many, sample_scene

SIDE, IMAGE_SIZE = 64, 32  # pixels of the files, and of the ingested images


def ingest_source(
    source: dict[str, Any], store: str, engine: Engine = LOCAL, **changes: Any
) -> dict[str, float]:
    """Ingest one source in this process.

    Args:
        source: Parameters of ``ingestion.source``.
        store: Folder that the images are written to.
        engine: What reads and writes the parts of a store in shards.
        **changes: Other parameters of ``ingestion``, such as ``image_size``.

    Returns:
        Number of images and seconds.
    """
    from lexipix.datasets.image_store import ImageStoreDataset
    from lexipix.datasets.pretrained import PretrainedModelsDataset
    from lexipix.datasets.sources.sources import SourcesDataset
    from lexipix.pipelines.ingestion.nodes import ingest
    from lexipix.utils.types import SPLITS

    parameters = ProjectContext(REPOSITORY, "base", {"ingestion": {"source": source, **changes}}).parameters
    dataset = ImageStoreDataset(filepath=store)
    start = time.perf_counter()
    pretrained = PretrainedModelsDataset().load()
    sources = SourcesDataset().load()
    dataset.save(ingest(parameters.ingestion, parameters.run, sources, pretrained, engine))
    seconds = time.perf_counter() - start
    summary = dataset.load().summary
    n_images = summary["rejected"] + sum(summary[f"n_{split}"] for split in SPLITS)
    return {"n_images": n_images, "seconds": seconds}


def ingestion(folder: Path, n_images: int, repeats: int) -> list[Row]:
    """Compare how fast a captioned folder of PNG files becomes an array on disk.

    Both sides read the captions, decode and resize each image and save the result. lexipix also finds
    duplicates and bad files, splits by content, cleans captions and counts what it found; `datasets` also
    keeps a copy of the files' bytes in its cache.

    Returns:
        One row; none if `datasets` is not installed.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the folder is the only source
    try:
        import datasets
    except ImportError:
        return []
    images = write_scenes(folder / "images", n_images)
    datasets.disable_progress_bars()
    rounds = iter(range(10**6))

    def ours() -> None:
        # Two of many rendered scenes can be equal: the second is rejected
        source = {"kind": "folder", "path": str(images)}
        ingest_source(source, str(folder / "ours"), image_size=IMAGE_SIZE, max_reject_share=0.5)

    def theirs() -> None:
        place = folder / f"theirs-{next(rounds)}"  # an old cache would be read instead of the files
        found = datasets.load_dataset(
            "imagefolder", data_dir=str(images), split="train", cache_dir=str(place / "cache")
        )
        found = found.map(decode, remove_columns=["image"])
        found.save_to_disk(str(place / "saved"))

    seconds = take_turns({"ours": ours, "theirs": theirs}, repeats)
    rates = {name: [n_images / taken for taken in values] for name, values in seconds.items()}
    name = f"ingestion of {n_images:,} captioned PNG files, {SIDE} to {IMAGE_SIZE} pixels"
    return [comparison(name, "images/s", rates["ours"], "datasets, ImageFolder and map", rates["theirs"])]


def decode(row: dict[str, Image.Image]) -> dict[str, np.ndarray]:
    """Decode and resize one image, as a user of `datasets` would."""
    image = row["image"].convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return {"pixels": np.asarray(image)}


def write_scenes(folder: Path, n_images: int) -> Path:
    """Write scenes as PNG files with a ``metadata.jsonl`` and return the folder."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(n_images)]
    lines = []
    for number, (scene, image) in enumerate(zip(scenes, render_many(scenes, rng, SIDE), strict=True)):
        name = f"{number:06}.png"
        Image.fromarray(image).save(folder / name)
        lines.append(json.dumps({"file_name": name, "text": caption(scene)}))
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def evaluation(n_pairs: int, repeats: int) -> list[Row]:
    """Compare PSNR and SSIM of pairs of 32x32 images with a plain loop over scikit-image."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (n_pairs, 8, 8, 3), dtype=np.uint8)
    images = np.repeat(np.repeat(coarse, 4, axis=1), 4, axis=2)
    others = np.clip(images + rng.normal(0, 8, images.shape), 0, 255).astype(np.uint8)
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def ours() -> None:
        found["ours"] = psnr(images, others), ssim(images, others)

    def theirs() -> None:
        found["theirs"] = psnr_and_ssim(images, others)

    seconds = take_turns({"ours": ours, "theirs": theirs}, repeats)
    rates = {name: [n_pairs / taken for taken in values] for name, values in seconds.items()}
    name = f"PSNR and SSIM of {n_pairs:,} pairs"
    row = comparison(name, "pairs/s", rates["ours"], "loop over scikit-image", rates["theirs"])
    pairs = zip(found["ours"], found["theirs"], strict=True)
    return [row | {"largest difference": max(float(np.abs(a - b).max()) for a, b in pairs)}]

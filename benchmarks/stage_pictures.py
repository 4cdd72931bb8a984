"""Stages of pictures: ingestion beside the library `datasets`, measures beside a loop over scikit-image."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
from ingestion import measure
from PIL import Image
from record import Row
from turns import comparison, take_turns

from lexipix.scenes import caption, render_many, sample_scene
from metrics import compare

SIDE, IMAGE_SIZE = 64, 32  # of the files, and of what is made of them


def ingestion(folder: Path, n_images: int, repeats: int) -> list[Row]:
    """A captioned folder of PNG files to an array on disk, by lexipix and by `datasets`, if it is installed.

    Both read the captions, decode and resize each picture and save the result. lexipix also finds duplicates
    and bad files, makes splits by content, tidies captions and counts what it saw; `datasets` also keeps
    a copy of the pictures' bytes in a cache of its own.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")  # the folder is all there is to read
    try:
        import datasets
    except ImportError:
        return []
    pictures = write_scenes(folder / "pictures", n_images)
    datasets.disable_progress_bars()
    rounds = iter(range(10**6))

    def ours() -> None:
        # Two rendered scenes of so many may be equal: the second is set aside
        measure(
            {"kind": "folder", "path": str(pictures)},
            str(folder / "ours"),
            image_size=IMAGE_SIZE,
            max_reject_share=0.5,
        )

    def theirs() -> None:
        place = folder / f"theirs-{next(rounds)}"  # a cache of its own: an old one would be read instead
        found = datasets.load_dataset(
            "imagefolder", data_dir=str(pictures), split="train", cache_dir=str(place / "cache")
        )
        found = found.map(decode, remove_columns=["image"])
        found.save_to_disk(str(place / "saved"))

    seconds = take_turns({"ours": ours, "theirs": theirs}, repeats)
    rates = {name: [n_images / taken for taken in values] for name, values in seconds.items()}
    name = f"ingestion of {n_images:,} captioned PNG files, {SIDE} to {IMAGE_SIZE} pixels"
    return [comparison(name, "pictures/s", rates["ours"], "datasets, ImageFolder and map", rates["theirs"])]


def decode(row: dict[str, Image.Image]) -> dict[str, np.ndarray]:
    """What a user of `datasets` would write."""
    image = row["image"].convert("RGB").resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.LANCZOS)
    return {"pixels": np.asarray(image)}


def write_scenes(folder: Path, n_images: int) -> Path:
    """Scenes as PNG files with a ``metadata.jsonl``; gives the folder."""
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
    """PSNR and SSIM of pairs of pictures."""
    ours, theirs, difference = compare(n_pairs, repeats)
    rates = [[n_pairs / taken for taken in seconds] for seconds in (ours, theirs)]
    name = f"PSNR and SSIM of {n_pairs:,} pairs"
    row = comparison(name, "pairs/s", rates[0], "loop over scikit-image", rates[1])
    return [row | {"largest difference": difference}]

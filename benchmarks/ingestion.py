"""Ingestion: pictures a second and peak memory, for N pictures and for ten times as many.

    python benchmarks/ingestion.py [--pictures 3000] [--cifar10 PATH] [--repeats 3]

Makes its own folder of 64x64 PNG files; CIFAR-10 is measured when its archive or folder is given. Each
measurement is a process of its own, takes from the sources' opening to the store's last file, and is
preceded by one that is not counted, so that the files are in the system's cache; the best one is shown. Peak
memory is the process's largest resident size, with every library it has loaded.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from record import peak_mib, use_cores

CORES = 2


def main() -> None:
    """Prints a table: source, pictures, pictures a second, peak memory."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=3000, help="N")
    parser.add_argument("--cifar10", type=Path, help="CIFAR-10's archive or its extracted folder")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--measure", nargs=2, metavar=("SOURCE", "STORE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(json.loads(arguments.measure[0]), arguments.measure[1])))
        return
    use_cores(CORES)
    print(f"{'source':<28}{'pictures':>10}{'pictures/s':>12}{'peak memory':>14}")
    with tempfile.TemporaryDirectory() as folder:
        for n_images in (arguments.pictures, 10 * arguments.pictures):
            make_pictures(Path(folder, "pictures"), n_images)
            source: dict[str, Any] = {"kind": "folder", "path": str(Path(folder, "pictures"))}
            report("folder of 64x64 PNG", source, folder, arguments.repeats)
        for n_images in (2700, 27000):
            counts = {"n_train": n_images - 700, "n_val": 100, "n_test": 100, "n_judge": 500}
            report("scenes", {"kind": "scenes", "scenes": counts}, folder, arguments.repeats)
        if arguments.cifar10:
            for limit in (5000, None):
                source = {"kind": "cifar10", "path": str(arguments.cifar10.resolve()), "max_pictures": limit}
                report("CIFAR-10", source, folder, arguments.repeats)


def report(name: str, source: dict[str, Any], folder: str, repeats: int) -> None:
    """Measures a source several times and prints the best speed and the largest memory."""
    command = [sys.executable, __file__, "--measure", json.dumps(source), str(Path(folder, "store"))]
    outputs = [subprocess.run(command, check=True, capture_output=True).stdout for _ in range(repeats + 1)]
    results = [json.loads(output) for output in outputs[1:]]
    images_per_s = max(result["images_per_s"] for result in results)
    peak = max(result["peak_mib"] for result in results)
    print(f"{name:<28}{results[0]['n_images']:>10,}{images_per_s:>12,.0f}{peak:>10,.0f} MiB", flush=True)


def measure(source: dict[str, Any], store: str, **changes: Any) -> dict[str, float]:
    """Ingests one source in this process, with changed parameters such as ``image_size``."""
    from lexipix.config.ingestion import IngestionParameters
    from lexipix.config.run import RunParameters
    from lexipix.datasets.image_store import ImageStoreDataset
    from lexipix.datasets.pretrained import PretrainedModelsDataset
    from lexipix.datasets.sources.sources import SourcesDataset
    from lexipix.pipelines.ingestion.nodes import ingest
    from lexipix.utils.types import SPLITS

    parameters = IngestionParameters.model_validate({"source": source, **changes})
    dataset = ImageStoreDataset(filepath=store)
    started = time.perf_counter()
    pretrained = PretrainedModelsDataset().load()
    dataset.save(ingest(parameters, RunParameters(), SourcesDataset().load(), pretrained))
    seconds = time.perf_counter() - started
    summary = dataset.load().summary
    n_images = summary["rejected"] + sum(summary[f"n_{split}"] for split in SPLITS)
    return {
        "n_images": n_images, "images_per_s": n_images / seconds, "seconds": seconds, "peak_mib": peak_mib(),
    }  # fmt: skip


def make_pictures(folder: Path, n_images: int) -> None:
    """Fills a folder with different smooth pictures, which compress about as photographs do."""
    import numpy as np
    from PIL import Image

    folder.mkdir(exist_ok=True)
    captions = []
    for number in range(n_images):
        path = folder / f"{number:07}.png"
        captions.append(json.dumps({"file_name": path.name, "text": f"picture number {number}"}))
        if not path.exists():
            rng = np.random.default_rng(number)
            coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
            coarse.resize((64, 64), Image.Resampling.BICUBIC).save(path, compress_level=6)
    (folder / "metadata.jsonl").write_text("\n".join(captions) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Rate and memory of drawing many images to disk, beside the rate in memory.

    python benchmarks/to_disk.py [--pictures 100000] [--env ENV] [--out DIR]

The champion draws 25 images for each of many prompts, as `kedro generate --prompts FILE -n 25 --no-score`
does: into memory only, into one tar archive (--out FILE.tar), and into a folder. The archive is written as a
stream and holds the same files as the folder. Each measurement runs in its own process. Peak memory is the
largest resident size of the process, with all libraries.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from typing import Any

import numpy as np
from record import REPOSITORY, Row, in_a_process, options, peak_mib, save

EACH = 25
MEMORY, ARCHIVE, FOLDER = PLACES = ("memory", "archive", "folder")
SMALLER = 10  # a run with a tenth of the images shows whether memory grows


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of the champion [default: base]")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=1)
    arguments = options(parser, measure)
    rows: list[Row] = []
    for n_images in (arguments.image_splits // SMALLER, arguments.image_splits):
        for _ in range(arguments.repeats):
            task = {"env": arguments.env, "n_images": n_images}
            found = {place: in_a_process(__file__, {**task, "place": place}) for place in PLACES}
            rates = {place: n_images / one["seconds"] for place, one in found.items()}
            row: Row = {"pictures": n_images}
            for place, rate in rates.items():
                row[f"{place}, images/s"] = rate
                if place != MEMORY:
                    row[f"{place}, share"] = rate / rates[MEMORY]
                row[f"{place}, MiB"] = found[place]["peak_mib"]
            rows.append(row)
            print(rows[-1], file=sys.stderr, flush=True)
    page = save(
        "to_disk", rows, {"model": found[MEMORY]["model"]}, arguments.out, (__doc__ or "").split("\n\n")[-1]
    )
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def measure(env: str | None, n_images: int, place: str) -> dict[str, Any]:
    """Return the seconds of drawing, without loading of libraries and model, and peak memory."""
    from lexipix.cli.project_context import ProjectContext
    from lexipix.datasets.results import ResultsArchiveDataset, ResultsFolderDataset
    from lexipix.inference.image_request import ImageOptions
    from lexipix.inference.result_files import result_files
    from lexipix.scenes import caption, sample_scene

    rng = np.random.default_rng(0)
    prompts = [caption(sample_scene(rng)) for _ in range(n_images // EACH)]
    pipe = ProjectContext(REPOSITORY, env).text_to_image("champion")
    pipe(prompts[0], score=False)
    request = pipe.request(prompts, ImageOptions(EACH, 7, score=False))
    files = result_files(request)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        if place == ARCHIVE:
            ResultsArchiveDataset(filepath=f"{folder}/pictures.tar").save(files)
        elif place == FOLDER:
            ResultsFolderDataset(filepath=f"{folder}/pictures").save(files)
        else:
            for _ in files:
                pass
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak_mib": round(peak_mib()), "model": request.model}


if __name__ == "__main__":
    main()

"""Drawing many pictures to disk: the rate beside the one in memory, and what memory it takes.

    python benchmarks/to_disk.py [--pictures 100000] [--env ENV] [--out DIR]

The champion draws 25 pictures of each of many prompts, as `kedro generate --prompts FILE -n 25 --no-score`
does: without keeping them, into one tar archive (--out FILE.tar), and into a folder with a file for each. The
archive is written in pieces and has everything that the folder has. Each measurement is a process of its
own; peak memory is the process's largest resident size with every library it has loaded.
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
SMALLER = 10  # the same with a tenth of the pictures shows whether memory grows


def main() -> None:
    """Prints the table and where it was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment whose champion draws [default: base, the scenes]")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=1)
    arguments = options(parser, measure)
    rows: list[Row] = []
    for n_pictures in (arguments.pictures // SMALLER, arguments.pictures):
        for _ in range(arguments.repeats):
            task = {"env": arguments.env, "n_pictures": n_pictures}
            found = {place: in_a_process(__file__, {**task, "place": place}) for place in PLACES}
            rates = {place: n_pictures / one["seconds"] for place, one in found.items()}
            row: Row = {"pictures": n_pictures}
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


def measure(env: str | None, n_pictures: int, place: str) -> dict[str, Any]:
    """Seconds of drawing, without loading libraries and model, and peak memory."""
    from lexipix.cli.project_context import ProjectContext
    from lexipix.datasets.results import ResultsArchiveDataset, ResultsFolderDataset
    from lexipix.inference.generate import GeneratedImages
    from lexipix.scenes import caption, sample_scene

    rng = np.random.default_rng(0)
    prompts = [caption(sample_scene(rng)) for _ in range(n_pictures // EACH)]
    name, drawer = ProjectContext(REPOSITORY, env).drawer("champion")
    drawer.draw_one(prompts[0], 0, 0)
    files = GeneratedImages(drawer, None, prompts, EACH, 7, name).files()
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
    return {"seconds": seconds, "peak_mib": round(peak_mib()), "model": name}


if __name__ == "__main__":
    main()

"""Saves a benchmark's results as JSON, Markdown table and plot, and in the MLflow experiment `benchmarks`."""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lexipix.metrics.speed import resident_mb
from lexipix.reporting.plots import blank_figure, rendered
from lexipix.utils.machine import describe_machine

REPOSITORY = Path(__file__).parents[1]
Row = dict[str, Any]


def peak_mib() -> float:
    """Return the largest resident size of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


class PeakMemory:
    """Measures the peak of a memory while a block runs, in MiB, every so many seconds.

    That of this process, if ``read`` gives no other, is its private memory: mapped files and the code of
    libraries are not counted, since the system can drop their pages at any time. Where the system does not
    report private memory, it is the whole resident size.
    """

    def __init__(self, read: Callable[[], float] | None = None, every: float = 0.1) -> None:
        self.mib, self._read, self._every = 0.0, read or _own_mib, every
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while True:
            self.mib = max(self.mib, self._read())
            if self._over.wait(self._every):
                return


def _own_mib() -> float:
    if not Path("/proc/self/status").is_file():
        return peak_mib()
    return resident_mb("RssAnon") * 1e6 / 2**20


def stored_images(place: Path) -> Any:
    """Return the splits of an image store."""
    from lexipix.datasets.image_store import ImageStoreDataset

    return ImageStoreDataset(filepath=str(place)).load()


def use_cores(n_cores: int) -> None:
    """Restrict this process and its children to so many cores, where the system allows it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n_cores])


def options(parser: argparse.ArgumentParser, measure: Callable[..., Mapping[str, Any]]) -> argparse.Namespace:
    """Parse a benchmark's options, with ``--out``.

    If :func:`in_a_process` started the script, run ``measure``, print its result as JSON and exit.
    """
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measure(**json.loads(arguments.measure))))  # noqa: T201 - the caller reads it
        raise SystemExit
    return arguments


def in_a_process(script: str, task: Mapping[str, Any]) -> dict[str, Any]:
    """Run a script with ``--measure TASK`` in its own process and return the JSON of its last line.

    So nothing of an earlier measurement is in memory.
    """
    command = [sys.executable, script, "--measure", json.dumps(task)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median, minimum and maximum of repeated measurements."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def table(rows: Sequence[Row]) -> str:
    """Format rows as a Markdown table, columns in the order of their first appearance."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(_text(row.get(column)) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def save(
    name: str,
    rows: Sequence[Row],
    facts: Mapping[str, Any],
    folder: Path,
    notes: str,
    shown: Sequence[Row] | None = None,
    images: Mapping[str, NDArray[np.uint8]] | None = None,
) -> Path:
    """Write ``NAME.json``, ``NAME.md`` and the images as ``KEY.png``, and log them.

    Args:
        name: Name of the benchmark.
        rows: One row per contestant.
        facts: Conditions of all rows, such as threads and batch size; the machine is added.
        folder: Folder of the files.
        notes: Text under the table.
        shown: Rows of the page, where they differ from ``rows``.
        images: Key to image, uint8 (H, W, 3).

    Returns:
        Path of the Markdown file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    facts = {"machine": describe_machine(), **facts}
    content = {"facts": facts, "rows": list(rows)}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    said = ", ".join(f"{key} {value}" for key, value in facts.items())
    page = folder / f"{name}.md"
    page.write_text(f"{table(shown or rows)}\n\n{said}.\n\n{notes}\n", encoding="utf-8")
    files = [page, page.with_suffix(".json")]
    for key, pixels in (images or {}).items():
        files.append(folder / f"{key}.png")
        Image.fromarray(pixels).save(files[-1])
    _log(name, content, files)
    return page


def plot_ratios(
    names: Sequence[str],
    ratios: Sequence[tuple[float, float, float]],
    bars: Sequence[float | None],
    title: str,
) -> NDArray[np.uint8]:
    """Draw ratios as bars, each with its extremes and its target, if there is one.

    Args:
        names: Labels of the bars, from top to bottom.
        ratios: Median, minimum and maximum of each.
        bars: Target of each, or None.
        title: Title.

    Returns:
        uint8 (H, W, 3).
    """
    figure = blank_figure(9, 1.2 + 0.4 * len(names))
    axes = figure.add_subplot()
    for place, ((median, low, high), bar) in enumerate(zip(ratios, bars, strict=True)):
        missed = bar is not None and median < bar
        axes.barh(place, median, color="tab:red" if missed else "tab:blue", height=0.6)
        axes.plot([low, high], [place, place], color="black", linewidth=1)
        if bar is not None:
            axes.plot([bar, bar], [place - 0.4, place + 0.4], color="black", linewidth=2.5)
    axes.axvline(1, color="gray", linewidth=1, linestyle="--")
    axes.set(xscale="log", yticks=range(len(names)), yticklabels=names, title=title)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.invert_yaxis()
    return rendered(figure)


def plot_growth(
    numbers: Sequence[int], lines: Mapping[str, Mapping[str, Sequence[float]]]
) -> NDArray[np.uint8]:
    """Draw values over the number of images, in plots beside each other.

    Args:
        numbers: Numbers of images.
        lines: Title of a plot -> name of a line -> its values. The first plot has a logarithmic axis and
            dashed lines that grow in proportion to the number.

    Returns:
        uint8 (H, W, 3).
    """
    figure = blank_figure(10, 4)
    for place, (title, named) in enumerate(lines.items()):
        axes = figure.add_subplot(1, len(lines), place + 1)
        for name, values in named.items():
            axes.plot(numbers, values, marker="o", label=name)
            if place == 0:
                proportional = [values[-1] * number / numbers[-1] for number in numbers]
                axes.plot(numbers, proportional, color="gray", linewidth=0.7, linestyle="--", zorder=0)
        axes.set(xscale="log", yscale="linear" if place else "log", title=title, xlabel="images")
        if place:
            axes.set_ylim(0)
        axes.legend()
    return rendered(figure)


def save_sheet(image: NDArray[np.uint8], folder: Path, name: str) -> Path:
    """Write a sheet, uint8 (H, W, 3 or 4), as a PNG file into a folder, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    Image.fromarray(image).save(path, optimize=True)
    return path


def _log(name: str, content: Mapping[str, Any], files: Sequence[Path]) -> None:
    import mlflow

    from lexipix.tracking.run import enabled, numbers, store

    if not enabled():
        return
    mlflow.set_tracking_uri(store(REPOSITORY))
    mlflow.set_experiment("benchmarks")
    with mlflow.start_run(run_name=name):
        mlflow.log_params({_key(key): str(value) for key, value in content["facts"].items()})
        for row in content["rows"]:
            label = _key(str(next(iter(row.values()))))
            mlflow.log_metrics({_key(key): value for key, value in numbers(row, f"{label}.")})
        for file in files:
            mlflow.log_artifact(str(file))


def _key(text: str) -> str:
    """Replace characters that MLflow does not allow in names."""
    return "".join(c if c.isalnum() or c in " ._-/" else "_" for c in text)


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
    return str(value)

"""Alternating measurements of several calls, so that a slow moment of the machine affects all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from record import Row, spread

Call = Callable[[], Any]


def take_turns(calls: Mapping[str, Call], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of each call in each round; the first round, with its set-up, is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken = time.perf_counter() - start
            if repeat:
                seconds[name].append(taken)
    return seconds


def comparison(
    stage: str,
    unit: str,
    ours: Sequence[float],
    instead: str,
    theirs: Sequence[float],
    bar: float | None = None,
) -> Row:
    """Compare two series of paired measurements.

    Args:
        stage: Name of the measurement.
        unit: ``s`` (less is better) or the unit of a rate (more is better).
        ours: lexipix's measurements.
        instead: Name of the other side.
        theirs: Its measurements, as many as ``ours``.
        bar: Target of the ratio.

    Returns:
        Medians and extremes of both and of the paired ratios of their speeds, and whether the target was met.
    """
    ratios = [b / a if unit == "s" else a / b for a, b in zip(ours, theirs, strict=True)]
    row: Row = {"stage": stage, "unit": unit, "instead": instead}
    for name, values in (("lexipix", ours), ("other", theirs), ("ratio", ratios)):
        row |= {f"{name} {key}": value for key, value in spread(values).items()}
    if bar is not None:
        row |= {"bar": bar, "kept": statistics.median(ratios) >= bar}
    return row


def as_shown(rows: Sequence[Row]) -> list[Row]:
    """Format the rows of a comparison for a page, each value with its extremes."""
    return [
        {
            "stage": row["stage"],
            "unit": row["unit"],
            "lexipix": _figure(row, "lexipix"),
            "instead": row["instead"],
            "it": _figure(row, "other"),
            "times as fast": _figure(row, "ratio"),
            "bar": f"{row['bar']:g}, {'kept' if row['kept'] else 'missed'}" if "bar" in row else "–",
        }
        for row in rows
    ]


def _figure(row: Row, name: str) -> str:
    median, low, high = (_short(row[f"{name} {key}"]) for key in ("median", "min", "max"))
    return f"{median} ({low} to {high})"


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"

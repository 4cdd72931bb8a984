"""How fast a form of a model is on this machine, and how much memory it takes."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from lexipix.config.compression import MeasurementParameters
from lexipix.metrics.speed import measure, peak_memory_mb

QUALITY_SECONDS = 5.0  # a form too slow for the whole validation input in this time is not judged by it
Row = dict[str, float]
Call = TypeVar("Call", bound=Callable[..., Any])


def timed(
    make: Callable[[], Call], one: tuple[Any, ...], many: tuple[Any, ...], measurement: MeasurementParameters
) -> tuple[Call, Row]:
    """Load a form of a model and measure how fast it is.

    Args:
        make: Loads it.
        one: What it is called with for one picture.
        many: What it is called with for a batch.
        measurement: Repetitions.

    Returns:
        The form, and ``images_per_s`` (in batches), ``latency_p50_ms``, ``latency_p95_ms`` and
        ``latency_p99_ms`` (of one picture), ``peak_mb`` (memory for loading it and a batch, where the system
        tells).
    """
    made: list[Call] = []

    def load_and_use() -> None:
        made.append(make())
        made[0](*many)

    peak = peak_memory_mb(load_and_use)
    if not made:  # where the system tells no peak nothing was called
        load_and_use()
    single = measure(
        partial(made[0], *one),
        repeats=measurement.latency_repeats,
        max_seconds=measurement.max_seconds,
    )
    batches = measure(
        partial(made[0], *many),
        warmup=1,
        repeats=measurement.throughput_repeats,
        n_images=len(many[0]),
        max_seconds=measurement.max_seconds,
    )
    row = {
        "images_per_s": batches.images_per_s,
        "latency_p50_ms": single.latency_p50_ms,
        "latency_p95_ms": single.latency_p95_ms,
        "latency_p99_ms": single.latency_p99_ms,
    }
    return made[0], row if peak is None else row | {"peak_mb": peak}

"""Speed and memory of a variant on this machine."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from lexipix.config.compression import MeasurementParameters
from lexipix.metrics.speed import measure, peak_memory_mb

QUALITY_SECONDS = 5.0  # the quality of a variant that is slower on the whole validation input is not measured
Row = dict[str, float]
Call = TypeVar("Call", bound=Callable[..., Any])


def time_variant(
    load: Callable[[], Call], one: tuple[Any, ...], many: tuple[Any, ...], measurement: MeasurementParameters
) -> tuple[Call, Row]:
    """Loads a variant and measures its speed.

    Args:
        load: Loads it.
        one: Arguments for one image.
        many: Arguments for a batch.
        measurement: Repetitions.

    Returns:
        The variant, and ``images_per_s`` (in batches), ``latency_p50_ms``, ``latency_p95_ms`` and
        ``latency_p99_ms`` (of one image), ``peak_mb`` (memory for loading it and a batch, if the system
        reports it).
    """
    loaded: list[Call] = []

    def load_and_use() -> None:
        loaded.append(load())
        loaded[0](*many)

    peak = peak_memory_mb(load_and_use)
    if not loaded:  # without a peak of the system nothing was called
        load_and_use()
    single = measure(
        partial(loaded[0], *one),
        repeats=measurement.latency_repeats,
        max_seconds=measurement.max_seconds,
    )
    batches = measure(
        partial(loaded[0], *many),
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
    return loaded[0], row if peak is None else row | {"peak_mb": peak}

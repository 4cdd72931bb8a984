from pathlib import Path

import numpy as np
import pytest

from lexipix.metrics.speed import measure, peak_memory_mb


def test_figures_come_from_the_calls_after_the_warmup() -> None:
    durations = [9.0, 9.0, 0.010, 0.020, 0.030]
    now = 0.0
    calls = iter(durations)

    def fn() -> None:
        nonlocal now
        now += next(calls)

    figures = measure(fn, warmup=2, repeats=3, n_images=4, clock=lambda: now)
    assert figures.latency_p50_ms == pytest.approx(20)
    assert figures.latency_p95_ms == pytest.approx(29)
    assert figures.latency_p99_ms == pytest.approx(29.8)
    assert figures.images_per_s == pytest.approx(200)


def test_slow_calls_are_few() -> None:
    now = 0.0

    def fn() -> None:
        nonlocal now
        now += 2.0

    assert measure(fn, warmup=1, repeats=100, max_seconds=5.0, clock=lambda: now).latency_p50_ms == 2000
    assert now == 8.0, "one before, and three until the time is up"


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak")
def test_peak_memory_is_what_a_call_needs_at_most() -> None:
    def fn() -> None:
        np.ones(40_000_000, np.uint8).sum()  # gone again when the call ends

    peak = peak_memory_mb(fn)
    assert peak is not None and 35 < peak < 60
    nothing = peak_memory_mb(lambda: None)
    assert nothing is not None and nothing < 10

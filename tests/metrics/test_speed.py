import pytest

from lexipix.metrics.speed import measure


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


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got 0 and 1"):
        measure(lambda: None, repeats=0)

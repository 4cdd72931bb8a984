"""Latency and peak memory of a call, robust against pauses of the machine."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Speed:
    """Latency of one call at three percentiles in milliseconds, and the rate at the median."""

    latency_p50_ms: float
    latency_p95_ms: float
    latency_p99_ms: float
    images_per_s: float


def measure(
    fn: Callable[[], object],
    warmup: int = 3,
    repeats: int = 30,
    n_images: int = 1,
    max_seconds: float = float("inf"),
    clock: Callable[[], float] = time.perf_counter,
) -> Speed:
    """Latency of a function that makes ``n_images`` per call, measured call by call after a warmup.

    On an accelerator, ``fn`` must wait for its own result. A meaningful 95th percentile needs at least 30
    ``repeats``. After ``max_seconds``, no further call is made.
    """
    for _ in range(warmup):
        fn()
    seconds: list[float] = []
    while len(seconds) < repeats and sum(seconds) < max_seconds:
        start = clock()
        fn()
        seconds.append(clock() - start)
    p50, p95, p99 = (float(q) for q in np.percentile(seconds, [50, 95, 99]))
    return Speed(p50 * 1e3, p95 * 1e3, p99 * 1e3, n_images / p50 if p50 > 0 else float("inf"))


def peak_memory_mb(fn: Callable[[], object]) -> float | None:
    """Peak growth of the resident memory during a call, in MB (10^6 bytes); None except on Linux."""
    gc.collect()
    before = begin_peak()
    if before is None:
        return None
    fn()
    return max(0.0, peak_mb() - before)


def begin_peak() -> float | None:
    """Reset the peak of this process's resident memory, and return its size in MB; None except on Linux.

    The allocator first returns free memory to the system, which would hide a part of the growth.
    """
    clear = Path("/proc/self/clear_refs")
    if not clear.is_file():
        return None
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    try:
        clear.write_text("5", encoding="ascii")
    except OSError:
        return None
    return resident_mb("VmRSS")


def peak_mb() -> float:
    """Largest resident memory of this process since `begin_peak`, in MB (10^6 bytes)."""
    return resident_mb("VmHWM")


def resident_mb(key: str) -> float:
    """Memory of this process in MB (10^6 bytes), from /proc/self/status (Linux only).

    Args:
        key: ``VmRSS`` (now), ``VmHWM`` (peak) or ``RssAnon`` (without pages of mapped files).
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024 / 1e6

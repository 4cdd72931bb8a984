"""How long a call takes, measured so that a pause of the machine does not become a figure."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class SpeedFigures:
    """Times of single calls in milliseconds at three percentiles, and the rate at the median one."""

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
) -> SpeedFigures:
    """Times `fn` call by call.

    Args:
        fn: What is measured; on an accelerator it has to wait for its own result.
        warmup: Calls before the first one that counts.
        repeats: Calls that count; at least 30 for a 95th percentile that means something.
        n_images: Images one call makes.
        max_seconds: After so long no further call is made, however few have counted.
        clock: Seconds; another one in tests.

    Raises:
        ValueError: `repeats` or `n_images` is below 1.
    """
    if repeats < 1 or n_images < 1:
        raise ValueError(
            f"A measurement needs repeats and n_images of at least 1, got {repeats} and {n_images}."
        )
    for _ in range(warmup):
        fn()
    seconds: list[float] = []
    while len(seconds) < repeats and sum(seconds) < max_seconds:
        start = clock()
        fn()
        seconds.append(clock() - start)
    p50, p95, p99 = (float(q) for q in np.percentile(seconds, [50, 95, 99]))
    return SpeedFigures(p50 * 1e3, p95 * 1e3, p99 * 1e3, n_images / p50 if p50 > 0 else float("inf"))


def peak_memory_mb(fn: Callable[[], object]) -> float | None:
    """How much resident memory a call needs beyond what the process holds, in MB (10^6 bytes).

    Memory that the process has freed but not given back hides a part of it, so the allocator is asked to give
    back what it can before.

    Returns:
        The growth at its peak; None where the system does not tell (anywhere but Linux).
    """
    gc.collect()
    before = begin_peak()
    if before is None:
        return None
    fn()
    return max(0.0, peak_mb() - before)


def begin_peak() -> float | None:
    """Have the peak of this process's resident memory begin anew, from what it holds now.

    The allocator is asked to give back what it has free.

    Returns:
        What is held, in MB (10^6 bytes); None where the system does not tell the peak (anywhere but Linux).
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
    """The largest resident memory of this process since `begin_peak` gave a number, in MB (10^6 bytes)."""
    return resident_mb("VmHWM")


def resident_mb(key: str) -> float:
    """Memory of this process in MB (10^6 bytes), as /proc/self/status has it, on Linux only.

    Args:
        key: ``VmRSS`` now, ``VmHWM`` at its highest, ``RssAnon`` without pages of mapped files.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) * 1024 / 1e6


def describe_machine() -> str:
    """The machine in a line, such as `AMD EPYC, 2 cores`: no speed means anything without it."""
    return f"{_processor()}, {os.cpu_count()} cores"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"

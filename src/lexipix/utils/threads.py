"""Work shared out among the cores of this machine."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def on_all_cores(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to items, in order, on as many threads as there are cores."""
    n_cores = _n_cores()
    if min(n_cores, len(items)) <= 1:
        return [function(item) for item in items]
    return list(_pool(n_cores).map(function, items))


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads that stay: to start two of them for every batch costs a twentieth of its time."""
    return ThreadPoolExecutor(n_threads, "lexipix")


def _n_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

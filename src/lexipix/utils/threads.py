"""Runs a function on several items at once, on all cores of this machine."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

from lexipix.utils.machine import n_cores

T = TypeVar("T")
R = TypeVar("R")


def on_all_cores(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Results of a function for each item, in order, computed on as many threads as there are cores.

    NumPy's matrix products take one thread each meanwhile: with threads of their own all would be slower.
    """
    n_threads = n_cores()
    if min(n_threads, len(items)) <= 1:
        return [function(item) for item in items]
    with _matrix_products().limit(limits=1, user_api="blas"):
        return list(_pool(n_threads).map(function, items))


@cache
def _pool(n_threads: int) -> ThreadPoolExecutor:
    """Threads that are kept: starting two of them for each batch would take a twentieth of its time."""
    return ThreadPoolExecutor(n_threads, "lexipix")


@cache
def _matrix_products() -> ThreadpoolController:
    """The libraries that are loaded; to look for them takes as long as to draw an image."""
    return ThreadpoolController()

import threading
import time

import pytest

from lexipix.datasets.sources.entry_reading import ordered_map


def test_results_come_in_order():
    def work(number):
        time.sleep((7 - number % 8) * 1e-4)
        return 2 * number

    assert list(ordered_map(work, range(300), 4)) == [2 * number for number in range(300)]


def test_tasks_are_read_a_bounded_distance_ahead():
    read = 0

    def tasks():
        nonlocal read
        for number in range(100_000):
            read = number + 1
            yield number

    results = ordered_map(lambda number: number, tasks(), 2)
    for _ in range(10):
        next(results)
    results.close()
    assert read == 2 * 64


def test_stopping_early_ends_the_threads():
    before = threading.active_count()
    results = ordered_map(lambda number: number, iter(range(10_000)), 4)
    next(results)
    assert threading.active_count() > before
    results.close()
    assert threading.active_count() == before


def test_what_a_worker_raises_is_raised():
    def work(number):
        raise OSError(f"number {number}")

    with pytest.raises(OSError, match="number 0"):
        list(ordered_map(work, range(5), 2))

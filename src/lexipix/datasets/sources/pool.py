"""A map over threads that keeps the order."""

from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_TASKS_PER_WORKER = 64  # tasks that are handed out together


def ordered_map(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(task)`` for each task, in order, computed by threads.

    Threads help because Pillow's decoders release the GIL. Only some tasks and results are held at a time. If
    the caller stops early, tasks that have not started are dropped.

    Args:
        function: Called in the threads; its exceptions are raised here.
        tasks: Read lazily in the caller's thread.
        workers: Number of threads.
    """
    remaining = iter(tasks)
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        while some := list(islice(remaining, _TASKS_PER_WORKER * workers)):
            yield from pool.map(function, some)

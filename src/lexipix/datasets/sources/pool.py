"""A map over threads that keeps the order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

_BATCH = 16  # tasks per job; a job for each small image would take longer than decoding it


def ordered_map(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(task)`` for each task, in order, computed by threads.

    Threads help because Pillow's decoders release the GIL. Only a few batches are held at a time. If the
    caller stops early, tasks that have not started are dropped.

    Args:
        function: Called in the threads; its exceptions are raised here.
        tasks: Read lazily in the caller's thread.
        workers: Number of threads.
    """
    remaining = iter(tasks)
    pending: deque[Future[list[Result]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="pictures") as pool:
        try:
            while True:
                while len(pending) < 3 * workers and (batch := list(islice(remaining, _BATCH))):
                    pending.append(pool.submit(_run, function, batch))
                if not pending:
                    return
                yield from pending.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _run(function: Callable[[Task], Result], batch: list[Task]) -> list[Result]:
    return [function(task) for task in batch]

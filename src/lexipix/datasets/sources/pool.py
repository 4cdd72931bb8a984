"""Work spread over threads, with its results in the order of the work."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

# Handing over tasks one by one would cost more than decoding a small picture does.
_BATCH = 16


def ordered_map(
    function: Callable[[Task], Result], tasks: Iterable[Task], workers: int
) -> Generator[Result, None, None]:
    """Yield ``function(task)`` for each task, in order, computed by threads a bounded distance ahead.

    Threads are enough where the function spends its time outside Python's lock, as Pillow's decoders do.
    However many tasks there are, only a few batches are held at a time; when the caller stops early, what
    has not been begun is dropped.

    Args:
        function: Called in the threads; what it raises is raised here.
        tasks: Read lazily, in the caller's thread.
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

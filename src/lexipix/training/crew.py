"""Processes that this one starts to work with it, and ends with itself."""

import io
import mmap
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.errors import LexipixError

GRACE_SECONDS = 3.0  # for a process to end, or to say why it ended


class Crew:
    """Workers numbered from 2, this process being the first; a context that leaves none of them behind.

    They are started anew, nothing is forked, and a memory-mapped array among their arguments is opened again
    where it is, never copied. Ctrl-C does not reach them: this process hears it and ends them.

    Args:
        what: They do, for the sentence that says which of them ended.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self._workers: list[tuple[BaseProcess, Connection]] = []
        self._failures: list[tuple[float, str, int]] = []

    def start(self, work: Callable[..., None], arguments: Sequence[tuple[Any, ...]]) -> None:
        """Start a worker for each tuple of arguments, and wait until all are there.

        Args:
            work: A function of a module.
            arguments: For each worker its own.

        Raises:
            RuntimeError: One ended at once; leaving the context says why.
        """
        context = multiprocessing.get_context("spawn")
        with _interrupts_held_back():
            for _ in arguments:
                mine, theirs = context.Pipe()
                process: BaseProcess = context.Process(target=_work, args=(theirs,), daemon=True)
                process.start()
                theirs.close()
                self._workers.append((process, mine))
        # Work may be large, and a process that ends at once never reads it: sent by a pipe of our own it is
        # refused then, where as an argument it would be waited with for ever
        for one, (_, pipe) in zip(arguments, self._workers, strict=True):
            with suppress(BrokenPipeError, ConnectionResetError):
                pipe.send_bytes(_packed((work, one)))
        for number, (process, pipe) in enumerate(self._workers, start=2):
            connection.wait([pipe, process.sentinel])
            if not self._is_there(number, pipe):
                raise RuntimeError("a worker ended before it began")

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:  # all is done here, and how the others take their leave changes nothing
                self._wait(all_of_them=True)
            # An interrupt, or a sentence for the user, is this process's own; all else may come from a worker
            elif isinstance(error, Exception) and not isinstance(error, LexipixError):
                self._wait(all_of_them=False)
                if said := self._said():
                    raise LexipixError(said) from error
        finally:
            self._end()

    def _wait(self, all_of_them: bool) -> None:
        until = time.monotonic() + GRACE_SECONDS
        left = [process.sentinel for process, _ in self._workers]
        while left and (seconds := until - time.monotonic()) > 0:
            ended = connection.wait(left, timeout=seconds)
            for process, _ in self._workers:
                if process.sentinel in ended:  # it closes a moment before the exit code can be asked for
                    process.join(GRACE_SECONDS)
            left = [sentinel for sentinel in left if sentinel not in ended] if all_of_them else []

    def _said(self) -> str | None:
        """What the worker that failed first died of; others only lost their company after it."""
        for number, (process, pipe) in enumerate(self._workers, start=2):
            self._is_there(number, pipe)
            known = {failed for _, _, failed in self._failures}
            if number not in known and process.exitcode not in (None, 0):
                self._failures.append((0.0, _exit(process.exitcode), number))
        if not self._failures:
            return None
        _, reason, number = min(self._failures)
        return (
            f"{self.what}: process {number} of {len(self._workers) + 1} ended: {reason.rstrip('.')}. "
            "The last checkpoint remains: the same command with --only-missing-outputs goes on from it."
        )

    def _is_there(self, number: int, pipe: Connection) -> bool:
        """Whether a worker says now that it is there; a failure that it says is kept."""
        with suppress(EOFError, ConnectionResetError):
            if pipe.poll():
                said = pipe.recv()
                if said is True:
                    return True
                self._failures.append((*said, number))
        return False

    def _end(self) -> None:
        for process, _ in self._workers:
            process.terminate()
        for process, pipe in self._workers:
            process.join(GRACE_SECONDS)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()
            pipe.close()
        self._workers = []


def _work(pipe: Connection) -> None:
    """What a worker runs: it says that it is there, works, and says what it dies of."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work, arguments = pickle.loads(pipe.recv_bytes())
        pipe.send(True)
        work(*arguments)
    except Exception as error:
        sentence = str(error) if isinstance(error, LexipixError) else _last_line(error)
        with suppress(OSError):
            pipe.send((time.time(), sentence))
        raise SystemExit(1) from error


def _end_with_parent() -> None:
    """However the parent ends, and whatever this process waits for."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _last_line(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    said = traceback.format_exception_only(error)[-1].strip()
    return f"{said} ({place.filename}, line {place.lineno})"


def _exit(code: int | None) -> str:
    if code == -signal.SIGKILL:
        return "it was killed from outside, as the system does where memory runs out"
    return f"exit code {code}"


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """A process started inside never hears Ctrl-C, which a terminal sends to all; here it comes later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would let interrupts through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Pickler(pickle.Pickler):
    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, np.memmap) and isinstance(value.base, mmap.mmap) and value.flags.c_contiguous:
            return _opened, (value.filename, value.dtype, value.offset, value.shape)
        return NotImplemented


def _packed(value: Any) -> bytes:
    stream = io.BytesIO()
    _Pickler(stream, pickle.HIGHEST_PROTOCOL).dump(value)
    return stream.getvalue()


def _opened(path: Any, dtype: np.dtype[Any], offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    return np.memmap(path, dtype, "r", offset, shape)

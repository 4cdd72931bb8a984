"""Keeps Ctrl-C and SIGTERM from being lost in a finalizer or another callback, where Python drops exceptions.

They are sent again a moment later, and a run checks before each step whether a library swallowed them.
"""

import _thread
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

RESEND_SECONDS = 0.1


class Terminated(SystemExit):
    """SIGTERM arrived. It unwinds like Ctrl-C: temporary files are removed, the MLflow run is closed."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


_EXCEPTIONS: dict[int, type[BaseException]] = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}
_received: BaseException | None = None


@contextmanager
def remembered() -> Iterator[None]:
    """Raise and remember Ctrl-C and SIGTERM in the block; if the caller ignores Ctrl-C, it stays ignored."""
    global _received
    _received = None
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    numbers = [signal.SIGTERM, *([signal.SIGINT] if is_default else [])]
    original_hook = sys.unraisablehook

    def send_again(dropped: "UnraisableHookArgs") -> None:
        for number in numbers:
            if dropped.exc_type is _EXCEPTIONS[number]:
                threading.Timer(RESEND_SECONDS, _thread.interrupt_main, [number]).start()
                return
        original_hook(dropped)

    original_handlers = {number: signal.signal(number, _receive) for number in numbers}
    sys.unraisablehook = send_again
    try:
        yield
    finally:
        sys.unraisablehook = original_hook
        for number, handler in original_handlers.items():
            signal.signal(number, handler)


def received() -> BaseException | None:
    """The KeyboardInterrupt or Terminated that arrived since :func:`remembered` began."""
    return _received


def _receive(number: int, frame: FrameType | None) -> None:
    global _received
    _received = _EXCEPTIONS[number]()
    raise _received

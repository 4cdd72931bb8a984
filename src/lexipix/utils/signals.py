"""Keeps a Ctrl-C from being lost in a finalizer or another callback, where Python drops the exception.

It is sent again a moment later, and a run checks before each step whether a library swallowed it.
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

_interrupted = False


@contextmanager
def remembered() -> Iterator[None]:
    """Remember a Ctrl-C during the block; if the caller ignores Ctrl-C, it stays ignored."""
    global _interrupted
    _interrupted = False
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    original_hook = sys.unraisablehook

    def send_again(dropped: "UnraisableHookArgs") -> None:
        if dropped.exc_type is KeyboardInterrupt:
            threading.Timer(RESEND_SECONDS, _thread.interrupt_main).start()
        else:
            original_hook(dropped)

    if is_default:
        signal.signal(signal.SIGINT, _receive)
        sys.unraisablehook = send_again
    try:
        yield
    finally:
        if is_default:
            sys.unraisablehook = original_hook
            signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupted() -> bool:
    """Whether Ctrl-C was pressed since :func:`remembered` began."""
    return _interrupted


def _receive(signum: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    signal.default_int_handler(signum, frame)

"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever it happens to be. Where that is a finaliser or another callback, such
as the one with which every import ends, the exception is reported and dropped, and the run would go on as if
nothing had been said. So the signal is remembered: it is sent again a moment later, and where a library
swallowed it unseen, a run asks for it before each of its steps.
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

AGAIN_SECONDS = 0.1

_heard = False


@contextmanager
def remembered() -> Iterator[None]:
    """Remember a Ctrl-C that arrives in the block; where the caller has it ignored, it stays ignored."""
    global _heard
    _heard = False
    mine = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    report = sys.unraisablehook

    def send_again(dropped: "UnraisableHookArgs") -> None:
        if dropped.exc_type is KeyboardInterrupt:
            threading.Timer(AGAIN_SECONDS, _thread.interrupt_main).start()
        else:
            report(dropped)

    if mine:
        signal.signal(signal.SIGINT, _hear)
        sys.unraisablehook = send_again
    try:
        yield
    finally:
        if mine:
            sys.unraisablehook = report
            signal.signal(signal.SIGINT, signal.default_int_handler)


def heard() -> bool:
    """Tell whether Ctrl-C was pressed since :func:`remembered` began."""
    return _heard


def stop_if_heard() -> None:
    """Raise the KeyboardInterrupt again that was swallowed.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if _heard:
        raise KeyboardInterrupt


def _hear(signum: int, frame: FrameType | None) -> None:
    global _heard
    _heard = True
    signal.default_int_handler(signum, frame)

"""Ctrl-C that is not lost.

Python raises KeyboardInterrupt wherever it happens to be. Where that is a finaliser, a callback out of C code
or an import that tolerates failure, the exception is swallowed and the run would go on as if nothing had been
said. So the signal is remembered too, and a run asks for it before each of its steps.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_heard = False


@contextmanager
def remembered() -> Iterator[None]:
    """Remember a Ctrl-C that arrives in the block; where the caller has it ignored, it stays ignored."""
    global _heard
    _heard = False
    mine = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if mine:
        signal.signal(signal.SIGINT, _hear)
    try:
        yield
    finally:
        if mine:
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

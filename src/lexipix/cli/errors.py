"""Errors as the user reads them: one sentence each. Ctrl-C shows how to continue."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click

from lexipix.utils import signals
from lexipix.utils.errors import LexipixError, causes, database_error, reason
from lexipix.utils.system_errors import advice
from lexipix.utils.terminal import inert

# What torch and ONNX Runtime say, which have no class of their own for it
_NO_MEMORY = re.compile(r"not enough memory|can't allocate memory|out of memory|Failed to allocate memory")


class Stopped(click.ClickException):
    """The user pressed Ctrl-C."""

    exit_code = 128 + signal.SIGINT


@contextmanager
def user_errors(how_to_continue: str = "") -> Iterator[None]:
    """Show a mistake of the user as one sentence; a defect of lexipix keeps its traceback.

    It is a context manager and, called, a decorator of commands.

    Args:
        how_to_continue: What remains after Ctrl-C, and which command continues, if one can.
    """
    stopped = Stopped(f"Stopped. {how_to_continue}".rstrip())
    try:
        with signals.remembered():
            yield
    except KeyboardInterrupt:
        raise stopped from None
    except Exception as error:
        # Some libraries turn Ctrl-C or SIGTERM into an error of their own
        if (received := signals.received()) is not None:
            raise stopped if isinstance(received, KeyboardInterrupt) else received from error
        message = sentence(error)
        if message is None:
            raise
        raise click.ClickException(inert(message)) from error


def sentence(error: BaseException) -> str | None:
    """The message for the user in an error or in its causes; None for a defect of lexipix."""
    for cause in causes(error):
        if isinstance(cause, LexipixError):
            return str(cause)
        if isinstance(cause, MemoryError) or _NO_MEMORY.search(str(cause)):
            return (
                "There is not enough memory: stop other programs, or choose a smaller batch_size for the "
                "training that the log names last."
            )
        if (clause := advice(cause)) is not None:
            return f"{getattr(cause, 'filename', None) or 'A file'} cannot be used, {clause}."
    if database_error(error) is not None:
        return f"The MLflow store cannot be used: {reason(error)}."
    return None

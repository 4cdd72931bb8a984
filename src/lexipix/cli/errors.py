"""Errors as the user reads them: one sentence each. Ctrl-C shows how to continue."""

import errno
import functools
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click

from lexipix.utils import signals
from lexipix.utils.errors import LexipixError


class Stopped(click.ClickException):
    """The user pressed Ctrl-C."""

    exit_code = 128 + signal.SIGINT


@contextmanager
def user_errors(how_to_continue: str = "") -> Iterator[None]:
    """Show a mistake of the user as one sentence; a defect of lexipix keeps its traceback.

    Args:
        how_to_continue: What remains after Ctrl-C, and which command continues, if one can.
    """
    stopped = Stopped(f"Stopped. {how_to_continue}".rstrip())
    # SIGTERM unwinds like Ctrl-C: temporary files are removed, the MLflow run is closed
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with signals.remembered():
            yield
    except KeyboardInterrupt:
        raise stopped from None
    except Exception as error:
        if signals.interrupted():  # some libraries turn Ctrl-C into an error of their own
            raise stopped from error
        message = sentence(error)
        if message is None:
            raise
        raise click.ClickException(message) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def with_user_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Show mistakes as sentences and just end on Ctrl-C, for commands that write nothing before the end."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        with user_errors():
            try:
                command(*args, **options)
            except KeyboardInterrupt:
                raise click.Abort from None

    return run


def sentence(error: BaseException) -> str | None:
    """The message for the user in an error or in its causes; None for a defect of lexipix."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LexipixError):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return "The disk is full: free some space and run the same command again."
        cause = cause.__cause__ or cause.__context__
    return None

"""Errors as the user meets them: one sentence each, and Ctrl-C that says how to go on."""

import errno
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from lexipix.utils import signals as interrupts
from lexipix.utils.errors import LexipixError


class Stopped(click.ClickException):
    """The user pressed Ctrl-C."""

    exit_code = 128 + signal.SIGINT


@contextmanager
def user_errors(how_to_go_on: str = "") -> Iterator[None]:
    """Show the user's mistakes as one sentence each; a defect of ours keeps its traceback.

    Args:
        how_to_go_on: What Ctrl-C leaves, and how the command is taken up again, if it can be.
    """
    stopped = Stopped(f"Stopped. {how_to_go_on}".rstrip())
    # Asked to end, unwind as on Ctrl-C: temporary files go, the MLflow run is closed.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with interrupts.remembered():
            yield
    except KeyboardInterrupt:
        raise stopped from None
    except Exception as error:
        if interrupts.interrupted():  # some libraries turn it into an error of their own
            raise stopped from error
        message = sentence(error)
        if message is None:
            raise
        raise click.ClickException(message) from error
    finally:
        signal.signal(signal.SIGTERM, before)


def sentence(error: BaseException) -> str | None:
    """Find the words that are meant for the user in an error or in what caused it; None for a defect."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LexipixError):
            return str(cause)
        if isinstance(cause, OSError) and cause.errno == errno.ENOSPC:
            return "The disk is full: free some space and run the same command again."
        cause = cause.__cause__ or cause.__context__
    return None

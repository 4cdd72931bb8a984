"""The project's own commands of the Kedro CLI."""

import copy
import errno
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from lexipix import interrupts
from lexipix.cli_dvc import dvc
from lexipix.cli_estimate import estimate
from lexipix.cli_generation import caption, generate
from lexipix.cli_redraw import redraw
from lexipix.cli_reproduce import reproduce
from lexipix.errors import LexipixError
from lexipix.lineage import PIPELINE_ORDER
from lexipix.pipeline_registry import DEFAULT
from lexipix.workshop import require_environment

GO_ON = "What was finished is kept: the same command with --only-missing-outputs goes on."


@click.group(name="lexipix")
def cli() -> None:
    """Commands of lexipix."""


class Stopped(click.ClickException):
    """The user pressed Ctrl-C."""

    exit_code = 128 + signal.SIGINT


@contextmanager
def told_in_a_sentence(how_to_go_on: str = "") -> Iterator[None]:
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
        if interrupts.heard():  # some libraries turn it into an error of their own
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


def _checked(callback: Callable[..., Any] | None) -> Callable[..., Any]:
    assert callback is not None

    @functools.wraps(callback)
    def run(**options: Any) -> Any:
        unknown = sorted(set(options["pipelines"]) - {DEFAULT, *PIPELINE_ORDER})
        if unknown:
            raise click.BadParameter(
                f"{', '.join(unknown)} is no pipeline: choose from {', '.join(PIPELINE_ORDER)}.",
                param_hint="--pipelines",
            )
        with told_in_a_sentence(GO_ON):
            project = find_kedro_project(Path.cwd())
            if project is not None and not options["conf_source"]:
                require_environment(
                    Path(project, "conf"), options["env"] or os.environ.get("KEDRO_ENV") or None
                )
            return callback(**options)

    return run


# Kedro's own command with every option it has, now or later.
run = copy.copy(kedro_run)
run.callback = _checked(kedro_run.callback)
cli.add_command(run)
for _command in (generate, caption, redraw, estimate, dvc, reproduce):
    cli.add_command(_command)

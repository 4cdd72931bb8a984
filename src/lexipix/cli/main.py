"""The project's own commands of the Kedro CLI."""

import copy
import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from lexipix.cli.dvc import dvc
from lexipix.cli.errors import user_errors
from lexipix.cli.estimate import estimate
from lexipix.cli.generate import caption, generate
from lexipix.cli.project_context import require_environment
from lexipix.cli.redraw import redraw
from lexipix.cli.reproduce import reproduce
from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER

GO_ON = "What was finished is kept: the same command with --only-missing-outputs goes on."


@click.group(name="lexipix")
def cli() -> None:
    """Commands of lexipix."""


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
        with user_errors(GO_ON):
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

"""``kedro run``: Kedro's own command, with checks before it and errors as sentences."""

import os
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project

from lexipix.cli.errors import user_errors
from lexipix.cli.parameters import params_option
from lexipix.cli.project_context import require_environment
from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER

CONTINUE = "Finished nodes are kept: the same command with --only-missing-outputs continues."


@click.pass_context
def _run(context: click.Context, /, **options: Any) -> Any:
    unknown = sorted(set(options["pipelines"]) - {DEFAULT, *PIPELINE_ORDER})
    if unknown:
        raise click.BadParameter(
            f"{', '.join(unknown)} is no pipeline: choose from {', '.join(PIPELINE_ORDER)}.",
            param_hint="--pipelines",
        )
    with user_errors(CONTINUE):
        project = find_kedro_project(Path.cwd())
        if project is not None and not options["conf_source"]:
            require_environment(Path(project, "conf"), options["env"] or os.environ.get("KEDRO_ENV") or None)
        return context.forward(kedro_run)


# It takes every option that Kedro's command has, now or later
_options = [params_option() if option.name == "params" else option for option in kedro_run.params]
run = click.Command("run", params=_options, callback=_run, help=kedro_run.help)

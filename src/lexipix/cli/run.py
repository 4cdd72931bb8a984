"""``kedro run``: Kedro's own command, with checks before it and errors as sentences."""

import copy
import logging
import os
import re
from inspect import isabstract
from pathlib import Path
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run
from kedro.io import DatasetError
from kedro.runner import AbstractRunner, ParallelRunner, ThreadRunner
from kedro.utils import find_kedro_project, load_obj

from lexipix.cli.errors import user_errors
from lexipix.cli.parameters import TYPED, typed_option
from lexipix.cli.project_context import require_environment
from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER
from lexipix.utils.errors import LexipixError, reason
from lexipix.utils.terminal import inert

_log = logging.getLogger(__name__)
# Begins what Kedro says of unknown nodes and datasets, and of tags that no node has
_NO_SUCH_PART = ("Pipeline does not contain", "Pipeline contains no nodes")
# What Kedro says of an entry of the catalog that it cannot use
_WRONG_ENTRY = re.compile(
    r"parsing config for dataset|cannot be instantiated|arguments valid for the constructor"
    r"|not a valid dataset configuration|Incorrect dataset configuration"
    r"|catch-all pattern|'load_versions' keys"
)
CONTINUE = "Finished nodes are kept: the same command with --only-missing-outputs continues."


@click.pass_context
def _run(context: click.Context, /, **options: Any) -> Any:
    unknown = sorted({*options["pipelines"], options["pipeline"] or DEFAULT} - {DEFAULT, *PIPELINE_ORDER})
    if unknown:
        raise click.BadParameter(
            f"{inert(', '.join(unknown))} is no pipeline: choose from {', '.join(PIPELINE_ORDER)}.",
            param_hint="--pipelines",
        )
    with user_errors(CONTINUE):
        options["runner_params"] = _runner_params(options["runner"], options["runner_params"])
        project = find_kedro_project(Path.cwd())
        if project is not None and not options["conf_source"]:
            require_environment(Path(project, "conf"), options["env"] or os.environ.get("KEDRO_ENV") or None)
        try:
            return context.forward(kedro_run)
        except ValueError as error:
            if not str(error).startswith(_NO_SUCH_PART):
                raise
            raise LexipixError(f"{error} `kedro registry describe __default__` lists the nodes.") from error
        except DatasetError as error:
            if not _WRONG_ENTRY.search(str(error)):
                raise
            text = " ".join(str(error).split())
            raise LexipixError(f"The catalog (catalog*.yml in the configuration) is wrong: {text}") from error


# It takes every option that Kedro's command has, now or later
def _runner_params(name: str | None, given: dict[str, Any]) -> dict[str, Any]:
    """The arguments for the runner; a UsageError names runners that work where this one cannot."""
    choice = "choose SequentialRunner, or ThreadRunner"
    try:
        runner = load_obj(name or "SequentialRunner", "kedro.runner")
    except (ImportError, AttributeError, ValueError) as error:
        raise click.BadParameter(f"there is no runner {name}: {choice}.", param_hint="--runner") from error
    if not (isinstance(runner, type) and issubclass(runner, AbstractRunner)) or isabstract(runner):
        raise click.BadParameter(f"{name} is no runner: {choice}.", param_hint="--runner")
    if issubclass(runner, ParallelRunner):
        raise click.BadParameter(
            f"{name} starts processes that tell MLflow nothing of their results: {choice}. Every stage uses "
            "all cores by itself.",
            param_hint="--runner",
        )
    if issubclass(runner, ThreadRunner) and given.get("max_workers") != 1:
        _log.warning("%s runs one node at a time: nodes share torch's random numbers.", name)
        given = {**given, "max_workers": 1}
    try:
        runner(**{"is_async": False, **given})
    except (TypeError, ValueError) as error:
        raise click.BadParameter(f"{error}.", param_hint="--runner-params") from error
    return given


def _read_config(context: click.Context, option: click.Parameter, value: Any) -> Any:
    """Take the options from the file of ``--config``; a UsageError tells what is wrong with it."""
    try:
        return _config.callback(context, option, value) if _config.callback else value
    except Exception as error:
        why = error.message if isinstance(error, click.ClickException) else reason(error)
        raise click.BadParameter(
            f"{value} gives no options of kedro run ({why}): write them as YAML below the key run.",
            context,
            option,
        ) from error


_config = next(option for option in kedro_run.params if option.name == "config")
_checked_config = copy.copy(_config)
_checked_config.callback = _read_config
_own = {"config": _checked_config, **{name: typed_option(name) for name in TYPED}}
_options = [_own.get(str(option.name), option) for option in kedro_run.params]
run = click.Command("run", params=_options, callback=_run, help=kedro_run.help)

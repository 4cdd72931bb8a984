"""Parameters are validated before any node runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from lexipix.config.root import default_place, validate
from lexipix.utils.nested import flatten, has_key


class ParameterValidationHooks:
    """Validates every parameter of the project, whichever pipeline runs.

    Kedro itself checks only the parameters of the pipeline's nodes, and only after importing them.
    """

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Validate the parameters.

        Raises:
            LexipixError: Some are unknown, missing or not allowed; one line for each.
        """
        loader = context.config_loader
        validate(
            loader["parameters"],
            ParameterPlaces(Path(loader.conf_source), context.env, loader.runtime_params),
        )


class ParameterPlaces:
    """Finds where a parameter is set: on the command line, or in which file.

    Args:
        conf_source: The folder of environments.
        env: The run's environment; None is ``local``.
        runtime_params: Values given by ``--params``.
    """

    def __init__(self, conf_source: Path, env: str | None, runtime_params: Mapping[str, Any] | None) -> None:
        self._conf_source = conf_source
        self._envs = [env or "local", "base"]
        self._from_command_line = {key for key, _ in flatten(runtime_params or {})}

    def __call__(self, key: str) -> str:
        """The place of a parameter, such as ``conf/smoke/parameters_generator.yml``."""
        if key in self._from_command_line:
            return "given by --params"
        for env in self._envs:
            for file in sorted((self._conf_source / env).rglob("parameters*.y*ml")):
                if has_key(yaml.safe_load(file.read_text(encoding="utf-8")), key):
                    return f"{self._conf_source.name}/{file.relative_to(self._conf_source)}"
        return default_place(key)

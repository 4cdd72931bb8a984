"""Parameters are validated before any node runs."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from lexipix.config.root import default_place, validate
from lexipix.utils.nested import has_key


class ParameterValidationHooks:
    """Validates every parameter of the project, not only those of the run's nodes, as Kedro does."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Raise a LexipixError if parameters are unknown, missing or not allowed; one line for each."""
        loader = context.config_loader
        conf_source, given = Path(loader.conf_source), loader.runtime_params or {}
        validate(loader["parameters"], partial(place_of, conf_source, context.env, given))


def place_of(conf_source: Path, env: str | None, given: Mapping[str, Any], key: str) -> str:
    """Where a parameter is set: by ``--params`` (``given``), or in a file such as ``conf/base/…yml``."""
    if has_key(given, key):
        return "given by --params"
    for folder in (env or "local", "base"):
        for file in sorted((conf_source / folder).rglob("parameters*.y*ml")):
            if has_key(yaml.safe_load(file.read_text(encoding="utf-8")), key):
                return f"{conf_source.name}/{file.relative_to(conf_source)}"
    return default_place(key)

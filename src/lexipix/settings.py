"""Kedro's project settings.

Kedro imports this module before anything else of the project, on every command and in every worker; it
stays cheap, and it is the place where telemetry is switched off.
"""

import os
from typing import Any

from lexipix.hooks.project import ProjectHooks

# No telemetry leaves a user's machine. `setdefault`: whoever wants something else can still say so.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # its tables, its monitor's start and end: nothing a user acts upon
}.items():
    os.environ.setdefault(_name, _value)

HOOKS = (ProjectHooks(),)

CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment changes single values; Kedro's default would replace a whole top-level key.
    "merge_strategy": {"parameters": "soft"},
}

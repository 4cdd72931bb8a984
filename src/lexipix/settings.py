"""Kedro's project settings.

Kedro imports this module before anything else of the project, on every command and in every worker. It
imports little, switches telemetry off, and keeps control characters out of the log.
"""

import os
from typing import Any

from lexipix.hooks.engine import EngineHooks
from lexipix.hooks.interrupts import InterruptHooks
from lexipix.hooks.memory_check import MemoryCheckHooks
from lexipix.hooks.mlflow_tracking import MlflowTrackingHooks
from lexipix.hooks.node_timing import NodeTimingHooks
from lexipix.hooks.parameter_validation import ParameterValidationHooks
from lexipix.hooks.run_lock import RunLockHooks
from lexipix.hooks.source_folder import SourceFolderHooks
from lexipix.hooks.unfinished_run import UnfinishedRunHooks
from lexipix.utils.config_loader import ConfigLoader
from lexipix.utils.terminal import make_logs_inert

# No telemetry leaves a user's machine. `setdefault`: a user's own value takes precedence.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "KEDRO_DISABLE_TELEMETRY": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GRADIO_ANALYTICS_ENABLED": "False",
    "RAY_USAGE_STATS_ENABLED": "0",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",  # its lower levels report nothing that a user acts upon
    # A request to a server that has stopped answering would take four minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

make_logs_inert()
_timing = NodeTimingHooks()
HOOKS = (
    ParameterValidationHooks(), InterruptHooks(), RunLockHooks(), MemoryCheckHooks(), _timing,
    MlflowTrackingHooks(_timing), SourceFolderHooks(), EngineHooks(), UnfinishedRunHooks(),
)  # fmt: skip

CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS: dict[str, Any] = {
    "base_env": "base",
    "default_run_env": "local",
    # An environment changes single values; Kedro's default would replace a whole top-level key.
    "merge_strategy": {"parameters": "soft"},
}

"""The catalog entry ``engine``: what the nodes run their work on."""

import importlib.util
from pathlib import Path

from lexipix.config.engine import EngineParameters
from lexipix.datasets.base import ServiceDataset
from lexipix.engines.base import Engine
from lexipix.engines.local import LocalEngine
from lexipix.utils.errors import LexipixError

_parameters: EngineParameters | None = None  # of the Kedro run of this process
_engine: Engine | None = None


def choose_engine(parameters: EngineParameters) -> None:
    """Set the parameters of the engine that :class:`EngineDataset` loads next, and end the one before.

    Raises:
        LexipixError: The engine's packages are not installed.
    """
    global _parameters
    if parameters.kind == "ray" and importlib.util.find_spec("ray") is None:
        raise LexipixError(
            "engine.kind = ray, but Ray is not installed: install the extra with `pip install '.[ray]'`, or "
            "set engine.kind to local."
        )
    close_engine()
    _parameters = parameters


def close_engine() -> None:
    """End what the engine of this process has started."""
    global _engine
    if _engine is not None:
        _engine.close()
        _engine = None


class EngineDataset(ServiceDataset[Engine]):
    """Loads as the engine of the run's parameters; ``path`` is the folder for the files of parts.

    The parameters do not pass through the nodes' inputs, since they change no result.
    """

    def __init__(self, *, path: str) -> None:
        self.path = Path(path)

    def load(self) -> Engine:
        global _engine
        if _engine is None:
            if _parameters is None or _parameters.kind == "local":
                _engine = LocalEngine()
            else:
                from lexipix.engines.ray_engine import RayEngine

                _engine = RayEngine(_parameters, self.path)
        return _engine

"""What the probe before a training chose on this machine, remembered for the next run."""

import json
import logging
import platform
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError

from lexipix.utils.atomic import replace_file
from lexipix.utils.project_paths import kept

_log = logging.getLogger(__name__)


class MachineChoices(MutableMapping[str, str]):
    """The choices of one machine in a JSON file that may hold those of several; every change is written.

    Args:
        path: The file.
        machine: Processor and version of torch: other ones are asked anew.
    """

    def __init__(self, path: Path, machine: str) -> None:
        self.path, self.machine = path, machine
        self._all = self._read()

    def _read(self) -> dict[str, dict[str, str]]:
        if not self.path.is_file():
            return {}
        try:
            data = json.loads(self.path.read_text(encoding="utf-8"))
            return {machine: dict(choices) for machine, choices in data.items()}
        except (ValueError, AttributeError, TypeError) as error:
            _log.warning("%s cannot be read (%s): the probes choose anew.", self.path, error)
            return {}

    def __getitem__(self, key: str) -> str:
        return self._all.get(self.machine, {})[key]

    def __setitem__(self, key: str, value: str) -> None:
        self._all.setdefault(self.machine, {})[key] = value
        self._write()

    def __delitem__(self, key: str) -> None:
        del self._all.get(self.machine, {})[key]
        self._write()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all.get(self.machine, {}))

    def __len__(self) -> int:
        return len(self._all.get(self.machine, {}))

    def _write(self) -> None:
        with replace_file(self.path) as temporary:
            temporary.write_text(json.dumps(self._all, indent=2, sort_keys=True) + "\n", encoding="utf-8")


class MachineChoicesDataset(AbstractDataset[NoReturn, MutableMapping[str, str]]):
    """Loads as a mapping that trainings ask and tell; nothing is saved to it by a node's return.

    Args:
        path: The JSON file; not called ``filepath``, since it is no output of any stage. An experiment of DVC
            that runs in a copy of the project uses the project's own: a probe of its own could choose another
            precision, and the same parameters would give other bytes.
        metadata: For others to read.
    """

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        self.path = kept(Path(path))
        self.metadata = metadata

    def load(self) -> MutableMapping[str, str]:
        return MachineChoices(self.path, this_machine())

    def save(self, data: NoReturn) -> NoReturn:
        raise DatasetError("Machine choices are written by the trainings themselves.")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self.path)}


def this_machine() -> str:
    """Name what the choice depends on: processor, cores and version of torch."""
    import os
    from importlib.metadata import version

    cpuinfo = Path("/proc/cpuinfo")
    model = platform.processor() or platform.machine()
    if cpuinfo.is_file():
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
        model = next(
            (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model
        )
    return f"{model}, {os.cpu_count()} cores, torch {version('torch')}"

"""The inputs and outputs of a run by digest, which link runs and which ``kedro reproduce`` compares with."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lexipix.repro.digests import MEASURED, comparable_digest, dvc_digest, named_digest, tracked_path
from lexipix.utils.logging import warn_on_failure
from lexipix.utils.model_files import CONFIG
from lexipix.utils.nested import flatten
from lexipix.utils.project_paths import exists

FILE = "lineage.json"
# Tags of the MLflow run. OUTPUTS holds `name=digest` of each output, so that a search finds a file's run.
OUTPUTS = "outputs"
MADE_FROM = "made_from"
DIGITS = 16
MAX_TAG = 8000
# Its files exist only while a training runs
NO_OUTPUT = "lexipix.datasets.checkpoints.CheckpointStoreDataset"

Datasets = Mapping[str, Mapping[str, str]]


class Provenance:
    """Collects what a run reads and writes.

    Two keys of a catalog entry's metadata concern it. ``measured: true`` marks a file that shows measured
    speeds. ``pins`` marks a choice that was made by measured speeds: it maps the parameter that fixes the
    choice to the key in the file that holds it.
    """

    def __init__(self, project: Path, entry: Callable[[str], Mapping[str, Any]]) -> None:
        self._project = project
        self._entry = entry
        self._inputs: dict[str, None] = {}  # unlike a set, it keeps the order
        self._outputs: dict[str, str] = {}  # with their nodes
        self._digests: dict[str, str] = {}
        self._named: dict[str, dict[str, str]] = {}  # by the parameter that names the file or folder

    def add_input(self, name: str) -> None:
        """Note that a dataset was loaded; a dataset that the run has written is no input."""
        if name not in self._outputs:
            self._inputs[name] = None

    def add_named_input(self, key: str, path: str) -> None:
        """Note that the file or folder was read that a parameter names; a name to download is none.

        Its digest is taken now, since it may change until the run ends. Without a digest, as of a folder that
        may not be read, a warning says so.
        """
        place = self._project / Path(path).expanduser()
        if not exists(place):
            return
        self._named[key] = {"path": path}
        with warn_on_failure(f"{key} = {path} has no digest, so that a change will not be noticed"):
            self._named[key]["md5"] = named_digest(place)

    def add_output(self, name: str, node: str) -> None:
        """Note that a node's dataset was saved."""
        self._outputs[name] = node
        self._digests.pop(name, None)

    def digest(self, name: str) -> str | None:
        """DVC's digest of a dataset, computed once; None for a dataset without a file or folder."""
        for _, path in self._paths([name]):
            if name not in self._digests:
                self._digests[name] = dvc_digest(path)
        return self._digests.get(name)

    def as_dict(self) -> dict[str, Any]:
        """The content of ``lineage.json``.

        ``md5`` is DVC's digest. ``comparable`` is the digest without measured values, whose names end as
        ``measured`` lists; files that show measured speeds have none.
        """
        outputs, pins = dict[str, dict[str, str]](), dict[str, Any]()
        for name, path in self._paths(self._outputs):
            outputs[name] = self._file(name, path)
            metadata = self._entry(name).get("metadata") or {}
            if not metadata.get("measured"):
                outputs[name]["comparable"] = comparable_digest(path)
            if "pins" in metadata:
                file = path / CONFIG if path.is_dir() else path
                content = dict(flatten(json.loads(file.read_text(encoding="utf-8"))))
                pins |= {parameter: content[key] for parameter, key in metadata["pins"].items()}
        return {
            "nodes": list(dict.fromkeys(self._outputs.values())),
            "measured": list(MEASURED),
            "pins": pins,
            "inputs": self._named
            | {name: self._file(name, path) for name, path in self._paths(self._inputs)},
            "outputs": outputs,
        }

    def _paths(self, names: Iterable[str]) -> Iterator[tuple[str, Path]]:
        for name in names:
            entry = self._entry(name)
            if "filepath" in entry and entry.get("type") != NO_OUTPUT:
                path = tracked_path(self._project, entry)
                if path.exists():
                    yield name, path

    def _file(self, name: str, path: Path) -> dict[str, str]:
        absolute = path.absolute()
        inside = absolute.is_relative_to(self._project)
        shown = absolute.relative_to(self._project).as_posix() if inside else str(absolute)
        return {"path": shown, "md5": str(self.digest(name))}


def outputs_tag(outputs: Datasets) -> str:
    """The value of the tag ``outputs``; the last outputs are left out where MLflow's limit is reached."""
    words = [_word(name, outputs[name]["md5"]) for name in sorted(outputs)]
    while len(" ".join(words)) > MAX_TAG:
        words.pop()
    return " ".join(words)


def find_makers(client: Any, experiment: str, datasets: Datasets) -> dict[str, str]:
    """The id of the experiment's latest run with each dataset among its outputs, by the dataset's name."""
    return {
        name: str(run.info.run_id)
        for name, facts in datasets.items()
        if "md5" in facts
        for run in runs_with_output(client, experiment, _word(name, facts["md5"]), max_results=1)
    }


def runs_with_output(client: Any, experiment: str, word: str, **limits: Any) -> list[Any]:
    """The runs with an output, the latest first; ``word`` is ``name=digest`` or the end of it."""
    found: list[Any] = client.search_runs([experiment], f"tags.{OUTPUTS} LIKE '%{word}%'", **limits)
    return found


def _word(name: str, digest: str) -> str:
    return f"{name}={digest[:DIGITS]}"

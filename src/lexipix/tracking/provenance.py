"""What a run read and wrote, by digest: how runs are linked, and what a reproduction is compared with."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from lexipix.repro.digests import MEASURED, dvc_digest, steady_digest
from lexipix.tracking.lineage import flatten
from lexipix.utils.model_files import CONFIG
from lexipix.utils.project_paths import kept

FILE = "lineage.json"
# In the run's tags: `name=digest` of each output, so that a search finds the run that made a file
OUTPUTS = "outputs"
MADE_FROM = "made_from"
DIGITS = 16
MAX_TAG = 8000
# Where a training goes on after an interruption; no result
_NO_RESULT = "lexipix.datasets.checkpoints.CheckpointStoreDataset"
# What probes of this machine chose, which decides the bytes of every training after them
CHOICES = "machine_choices"

Entries = Mapping[str, Any]
Known = Mapping[str, Mapping[str, str]]


class Provenance:
    """Counts what a run reads and writes.

    A catalog entry's metadata says what speeds have to do with its bytes: ``measured: true`` where they show
    measured speeds, and ``pins`` where they are a choice made by them: parameters that repeat the choice,
    each with the key in the file that holds its value.

    Args:
        project: The Kedro project.
        entries: The catalog's entries.
    """

    def __init__(self, project: Path, entries: Entries) -> None:
        self._project = project
        self._entries = {name: entry for name, entry in entries.items() if isinstance(entry, Mapping)}
        self._read: dict[str, None] = {}
        self._written: dict[str, None] = {}
        self._nodes: dict[str, None] = {}
        self._digests: dict[str, str] = {}

    def read(self, name: str) -> None:
        """A dataset was loaded; what the run wrote itself is no input."""
        if name not in self._written:
            self._read[name] = None

    def wrote(self, name: str, node: str) -> None:
        """A node's dataset was saved."""
        self._nodes[node] = None
        self._written[name] = None
        self._digests.pop(name, None)

    def digest(self, name: str) -> str | None:
        """DVC's digest of a dataset, counted once; None where it has no file or folder."""
        for _, path in self._paths([name]):
            if name not in self._digests:
                self._digests[name] = dvc_digest(path)
            return self._digests[name]
        return None

    def found(self) -> dict[str, Any]:
        """Everything that was read and written, as ``lineage.json`` has it.

        ``md5`` is DVC's digest; ``steady`` the digest without measured figures, whose names end as
        ``skipped`` says; what shows measured speeds has none.
        """
        return {
            "nodes": list(self._nodes),
            "skipped": list(MEASURED),
            "machine_choices": self._choices(),
            "pins": dict(self._pins()),
            "inputs": {name: self._digested(name, path) for name, path in self._paths(self._read)},
            "outputs": {
                name: self._digested(name, path) | self._steady(name, path)
                for name, path in self._paths(self._written)
            },
        }

    def _paths(self, names: Iterable[str]) -> Iterable[tuple[str, Path]]:
        for name in names:
            entry = self._entries.get(name, {})
            path = Path(str(entry.get("filepath", "")))
            if "filepath" in entry and entry.get("type") != _NO_RESULT and path.exists():
                yield name, path

    def _digested(self, name: str, path: Path) -> dict[str, str]:
        return {"path": self._inside(path), "md5": str(self.digest(name))}

    def _steady(self, name: str, path: Path) -> dict[str, str]:
        return {} if self._metadata(name).get("measured") else {"steady": steady_digest(path)}

    def _pins(self) -> Iterator[tuple[str, Any]]:
        for name, path in self._paths(self._written):
            if pins := self._metadata(name).get("pins"):
                file = path / CONFIG if path.is_dir() else path
                content = dict(flatten(json.loads(file.read_text(encoding="utf-8"))))
                yield from ((parameter, content[key]) for parameter, key in pins.items())

    def _metadata(self, name: str) -> Mapping[str, Any]:
        return self._entries[name].get("metadata") or {}

    def _choices(self) -> dict[str, Any]:
        path = Path(str(self._entries.get(CHOICES, {}).get("path", "")))
        kept_at = kept(path)
        if not kept_at.is_file():
            return {}
        return {"path": self._inside(path), "content": json.loads(kept_at.read_text(encoding="utf-8"))}

    def _inside(self, path: Path) -> str:
        absolute = path.absolute()
        return (
            absolute.relative_to(self._project).as_posix()
            if absolute.is_relative_to(self._project)
            else str(absolute)
        )


def outputs_tag(outputs: Known) -> str:
    """The tag that names outputs by digest; where MLflow's limit is reached, the last are left out."""
    words: list[str] = []
    for name in sorted(outputs):
        words.append(_word(name, outputs[name]["md5"]))
        if len(" ".join(words)) > MAX_TAG:
            return " ".join(words[:-1])
    return " ".join(words)


def makers(client: Any, experiment: str, known: Known) -> dict[str, str]:
    """The runs that made files: name of the dataset to the id of the latest run with such an output.

    Args:
        client: An MLflow client.
        experiment: Id of the experiment that is searched.
        known: Datasets with their ``md5``.
    """
    found = {}
    for name, facts in known.items():
        runs = runs_that_made(client, experiment, _word(name, facts["md5"]), max_results=1)
        if runs:
            found[name] = str(runs[0].info.run_id)
    return found


def runs_that_made(client: Any, experiment: str, word: str, **limits: Any) -> list[Any]:
    """The runs with an output, the latest first; ``word`` is ``name=digest`` or the end of it."""
    found: list[Any] = client.search_runs([experiment], f"tags.{OUTPUTS} LIKE '%{word}%'", **limits)
    return found


def as_json(content: Mapping[str, Any]) -> str:
    """The text of ``lineage.json``."""
    return json.dumps(content, indent=2) + "\n"


def _word(name: str, digest: str) -> str:
    return f"{name}={digest[:DIGITS]}"

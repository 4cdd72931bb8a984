"""The content of ``dvc.yaml``: merges computed stages with those written by hand, and names differences."""

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from lexipix.repro.dvc_stages import LISTS, Stage
from lexipix.utils.nested import flatten

VARS = "environments"
WIDTH, SHORT_LIST = 90, 8


def merge(
    before: Mapping[str, Any], variables: Mapping[str, Mapping[str, Any]], wanted: Mapping[str, Stage]
) -> dict[str, Any]:
    """The computed content of ``dvc.yaml``, with what users wrote by hand in it.

    Kept are: other variables, stages whose command is no ``kedro run``, other keys of a stage (``desc``,
    ``frozen``, …), and the options of an output (``cache``, ``persist``, ``x``, …).
    """
    stages = dict(before.get("stages") or {})
    found = {}
    for name, stage in wanted.items():
        old, new = _body(stages.pop(name, {})), _body(stage)
        kept = {key: value for key, value in old.items() if key not in (*LISTS, "cmd", "wdir")}
        lists = {key: _with_options(new[key], old.get(key) or []) for key in LISTS if key in new}
        found[name] = {**stage, "do": {"cmd": new["cmd"], **kept, **lists}}
    by_hand = {
        name: stage
        for name, stage in stages.items()
        if not str(_body(stage).get("cmd")).startswith("kedro run")
    }
    other = [entry for entry in before.get("vars") or [] if VARS not in entry]
    rest = {key: value for key, value in before.items() if key not in ("vars", "stages")}
    return {"vars": [{VARS: dict(variables)}, *other], **rest, "stages": {**found, **by_hand}}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Every difference between two contents of ``dvc.yaml``, a line each."""
    old, new = _entries(before), _entries(after)
    found = [f"the stage {name} is missing" for name in new if name not in old]
    found += [f"{name}: no pipeline has this stage" for name in old if name not in new]
    for name in (name for name in new if name in old):
        found += [f"{name} lacks {entry}" for entry in new[name] if entry not in old[name]]
        found += [f"{name} has {entry}, which is not needed" for entry in old[name] if entry not in new[name]]
    return found


def as_text(content: Mapping[str, Any], head: str) -> str:
    """The text of ``dvc.yaml``, with the comment ``head`` at its top."""
    text = yaml.dump(
        content, Dumper=_Dumper, default_flow_style=None, sort_keys=False, width=WIDTH, allow_unicode=True
    )
    return head + re.sub(r"(?m)^(stages:|  [\w-]+:)$", r"\n\1", text).replace("stages:\n\n", "stages:\n")


def head_of(text: str) -> str:
    """The comment at the top of a file."""
    return "".join(itertools.takewhile(lambda line: line.startswith("#"), text.splitlines(keepends=True)))


class _Dumper(yaml.SafeDumper):
    """Writes short lists of paths with a line for each, and other flat values on common lines."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        return super().increase_indent(flow, False)

    def represent_sequence(
        self, tag: str, sequence: Any, flow_style: bool | None = None
    ) -> yaml.SequenceNode:
        is_short = len(sequence) <= SHORT_LIST and all("/" in item for item in sequence)
        return super().represent_sequence(tag, sequence, False if is_short else flow_style)


def _body(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stage, or the stage within its ``foreach``."""
    body: Mapping[str, Any] = stage.get("do", stage)
    return body


def _entries(content: Mapping[str, Any]) -> dict[str, list[str]]:
    """The entries of each stage and of the computed variables, a text each."""
    variables = [entry[VARS] for entry in content.get("vars") or [] if VARS in entry]
    groups = {"vars": variables[0] if variables else {}, **(content.get("stages") or {})}
    return {name: list(_texts(group)) for name, group in groups.items()}


def _texts(group: Mapping[str, Any]) -> Iterator[str]:
    for key, value in flatten(group):
        for item in value if isinstance(value, list) else [value]:
            yield f"{key.removeprefix('do.')}: {item if isinstance(item, str) else json.dumps(item)}"


def _with_options(wanted: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    """The wanted items, each with the options that it had; files of parameters have none."""
    options = {next(iter(item)): item for item in before if isinstance(item, dict)}
    return [options.get(item, item) if isinstance(item, str) else item for item in wanted]

"""The text of ``dvc.yaml``: merges computed stages with what users wrote by hand, and names differences."""

import itertools
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

from lexipix.repro.dvc_stages import LISTS, Stage

VARS = "environments"
WIDTH = 118


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
    other = [entry for entry in before.get("vars") or [] if not _is_environments(entry)]
    rest = {key: value for key, value in before.items() if key not in ("vars", "stages")}
    return {"vars": [{VARS: dict(variables)}, *other], **rest, "stages": {**found, **by_hand}}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Every difference between two contents of ``dvc.yaml``, a line each."""
    found = []
    old_vars, new_vars = _variables(before), _variables(after)
    for env in dict.fromkeys((*new_vars, *old_vars)):
        old_values, new_values = old_vars.get(env, {}), new_vars.get(env, {})
        for key in dict.fromkeys((*new_values, *old_values)):
            if old_values.get(key) != new_values.get(key):
                change = f"{old_values.get(key)!r} instead of {new_values.get(key)!r}"
                found.append(f"vars: {key} of {env} is {change}")
    old, new = (dict(content.get("stages") or {}) for content in (before, after))
    found += [f"the stage {name} is missing" for name in new if name not in old]
    found += [f"{name}: no pipeline has this stage" for name in old if name not in new]
    for name in (name for name in new if name in old):
        was, now = _body(old[name]), _body(new[name])
        if "foreach" in new[name] and old[name].get("foreach") != new[name]["foreach"]:
            found.append(f"{name}: foreach is missing")
        if was.get("cmd") != now.get("cmd"):
            found.append(f"{name}: cmd is {was.get('cmd')!r} instead of {now.get('cmd')!r}")
        for key in LISTS:
            had, has = (set(_entries(body.get(key) or [])) for body in (was, now))
            found += [f"{name}: {key} lacks {entry}" for entry in sorted(has - had)]
            found += [f"{name}: {key} has {entry}, which is not needed" for entry in sorted(had - has)]
    return found


def as_text(content: Mapping[str, Any], head: str) -> str:
    """The text of ``dvc.yaml``: the paths of a folder together, other items a line each.

    Args:
        content: Its content.
        head: The comment at its top.
    """
    lines = [head.rstrip("\n")] if head else []
    lines += ["vars:", f"  - {VARS}:"]
    for env, values in _variables(content).items():
        pairs = ", ".join(f"{key}:\0{_flow(value)}" for key, value in values.items())  # no break at \0
        wrapped = _wrap(f"{{{pairs}}}", " " * 8)
        lines += [f"      {env}:", *(line.replace("\0", " ") for line in wrapped)]
    lines += [f"  - {_flow(entry)}" for entry in content["vars"] if not _is_environments(entry)]
    rest = {key: value for key, value in content.items() if key not in ("vars", "stages")}
    lines += [yaml.safe_dump(rest, sort_keys=False).rstrip("\n")] if rest else []
    lines += ["", "stages:"]
    for name, stage in content["stages"].items():
        lines.append(f"  {name}:")
        indent = "    "
        if "foreach" in stage:
            lines += [f"    foreach: {stage['foreach']}", "    do:"]
            indent = "      "
        for key, value in _body(stage).items():
            if key in ("deps", "outs") and all(isinstance(item, str) for item in value):
                lines += _paths(key, value, indent)
            elif isinstance(value, list):
                lines += [f"{indent}{key}:", *(f"{indent}  - {_item(item)}" for item in value)]
            else:
                lines.append(f"{indent}{key}: {_flow(value)}")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def head_of(text: str) -> str:
    """The comment at the top of a file."""
    lines = text.splitlines(keepends=True)
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:count])


def _body(stage: Mapping[str, Any]) -> Mapping[str, Any]:
    """A stage, or the stage within its ``foreach``."""
    body: Mapping[str, Any] = stage.get("do", stage)
    return body


def _variables(content: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return next((dict(entry[VARS]) for entry in content.get("vars") or [] if _is_environments(entry)), {})


def _is_environments(entry: Any) -> bool:
    return isinstance(entry, dict) and VARS in entry


def _path(item: Any) -> str:
    """The path of an item, which may have options."""
    return item if isinstance(item, str) else str(next(iter(item)))


def _with_options(wanted: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    if any(isinstance(item, dict) and isinstance(next(iter(item.values())), list) for item in wanted):
        return list(wanted)  # parameters: files and their keys, which have no options
    options = {_path(item): item for item in before if not isinstance(item, str)}
    return [options.get(_path(item), item) for item in wanted]


def _entries(items: Iterable[Any]) -> Iterator[str]:
    """Paths, or parameters with their files."""
    for item in items:
        value = None if isinstance(item, str) else next(iter(item.values()))
        if isinstance(value, list):
            yield from (f"{key} of {_path(item)}" for key in value)
        else:
            yield _path(item)


def _item(item: Any) -> str:
    return (
        _flow(item) if isinstance(item, str) else f"{_flow(_path(item))}: {_flow(next(iter(item.values())))}"
    )


def _paths(key: str, paths: Sequence[str], indent: str) -> list[str]:
    """Lines of a list of paths: one for each, or for a long list together those of a folder."""
    block = [f"{indent}{key}:", *(f"{indent}  - {path}" for path in paths)]
    flow = [f"{indent}{key}: ["]
    for _, group in itertools.groupby(paths, lambda path: path.rpartition("/")[0]):
        quoted = [f'"{path}"' if "{" in path else path for path in group]
        flow += _wrap(f"{', '.join(quoted)},", indent + "  ")
    flow.append(f"{indent}]")
    return min(block, flow, key=len)


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")

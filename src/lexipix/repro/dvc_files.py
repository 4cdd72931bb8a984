"""How DVC's stages are written: what was written by hand stays, and every item has a line.

What they hold is :mod:`lexipix.repro.dvc_stages`'s to say.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

LISTS = ("deps", "params", "outs", "metrics", "plots")
Stage = dict[str, Any]


def merged(before: Mapping[str, Any], wanted: Mapping[str, Stage]) -> dict[str, Any]:
    """Stages as they are to be, with what was written by hand.

    Kept are stages whose command is no ``kedro run``, other keys of a stage (``desc``, ``frozen``, …), and
    the options of an output (``cache``, ``persist``, ``x``, …).
    """
    stages = dict(before.get("stages") or {})
    found = {}
    for name, own in wanted.items():
        old = dict(stages.pop(name, {}))
        kept = {key: value for key, value in old.items() if key not in (*LISTS, "cmd", "wdir")}
        lists = {key: _with_options(own[key], old.get(key) or []) for key in LISTS if key in own}
        found[name] = {"cmd": own["cmd"], **({"wdir": own["wdir"]} if "wdir" in own else {}), **kept, **lists}
    by_hand = {name: one for name, one in stages.items() if not str(one.get("cmd")).startswith("kedro run")}
    return {**before, "stages": {**found, **by_hand}}


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Every difference between the stages that are written and those that should be, in words."""
    old, new = (dict(one.get("stages") or {}) for one in (before, after))
    found = [f"there is no stage {name}" for name in new if name not in old]
    found += [f"{name}: no pipeline is run by it any more" for name in old if name not in new]
    for name in (name for name in new if name in old):
        for key in ("cmd", "wdir"):
            if old[name].get(key) != new[name].get(key):
                found.append(f"{name}: {key} is {old[name].get(key)!r} instead of {new[name].get(key)!r}")
        for key in LISTS:
            had, has = (set(_entries(one[name].get(key) or [])) for one in (old, new))
            found += [f"{name}: {key} lack {entry}" for entry in sorted(has - had)]
            found += [f"{name}: {key} name {entry} without need" for entry in sorted(had - has)]
    return found


def as_text(content: Mapping[str, Any], head: str) -> str:
    """The content of ``dvc.yaml``: an item in a line, a blank line between stages."""
    rest = {key: value for key, value in content.items() if key != "stages"}
    lines = [head.rstrip("\n")] if head else []
    lines += [yaml.safe_dump(rest, sort_keys=False).rstrip("\n")] if rest else []
    lines.append("stages:")
    for name, own in content["stages"].items():
        lines.append(f"  {name}:")
        for key, value in own.items():
            if isinstance(value, list):
                lines += [f"    {key}:", *(f"      - {_item(item)}" for item in value)]
            else:
                lines.append(f"    {key}: {_flow(value)}")
        lines.append("")
    return "\n".join(lines).rstrip("\n") + "\n"


def head_of(text: str) -> str:
    """The comment at the top of a file."""
    lines = text.splitlines(keepends=True)
    count = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:count])


def path_of(item: Any) -> str:
    """Of an item of a list, which may carry options."""
    return item if isinstance(item, str) else str(next(iter(item)))


def _with_options(wanted: Sequence[Any], before: Sequence[Any]) -> list[Any]:
    if any(isinstance(item, dict) and isinstance(next(iter(item.values())), list) for item in wanted):
        return list(wanted)  # parameters: a file and its keys, nothing of which is written by hand
    options = {path_of(item): item for item in before if not isinstance(item, str)}
    return [options.get(path_of(item), item) for item in wanted]


def _entries(items: Iterable[Any]) -> Iterator[str]:
    """Paths, or keys of files."""
    for item in items:
        value = None if isinstance(item, str) else next(iter(item.values()))
        if isinstance(value, list):
            yield from (f"{key} of {path_of(item)}" for key in value)
        else:
            yield path_of(item)


def _item(item: Any) -> str:
    return _flow(item) if isinstance(item, str) else f"{path_of(item)}: {_flow(next(iter(item.values())))}"


def _flow(value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...")

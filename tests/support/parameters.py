"""The parameters of ``conf/base``, with single values changed: what tests build their own from."""

import copy
from functools import cache
from typing import Any

import yaml
from tests.support.project import REPOSITORY

from lexipix.config.root import LexipixParameters, validate


@cache
def _base() -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for path in sorted((REPOSITORY / "conf" / "base").glob("parameters*.yml")):
        merged |= yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    return merged


def base_tree() -> dict[str, Any]:
    """All parameters of ``conf/base`` as plain values, which the caller may change."""
    return copy.deepcopy(_base())


def base_parameters(changes: dict[str, Any] | None = None) -> LexipixParameters:
    """All parameters of ``conf/base``; ``changes`` maps dotted keys to other values or parts of groups."""
    tree = base_tree()
    for key, value in (changes or {}).items():
        *parents, last = key.split(".")
        node = tree
        for parent in parents:
            node = node[parent]
        node[last] = _merged(node.get(last), value)
    return validate(tree)


def _merged(old: Any, new: Any) -> Any:
    """``new`` over ``old``; mappings are merged at every depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old | {name: _merged(old.get(name), value) for name, value in new.items()}
    return new


def section(key: str, changes: dict[str, Any] | None = None) -> Any:
    """One section, such as ``section("generator.vae", {"training.batch_size": 8})``.

    Args:
        key: Dotted key of the section.
        changes: Dotted keys inside the section to other values.
    """
    found: Any = base_parameters({f"{key}.{name}": value for name, value in (changes or {}).items()})
    for part in key.split("."):
        found = getattr(found, part)
    return found

"""Nested mappings addressed by dotted keys."""

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings with their dotted keys; an empty mapping has none."""
    for key, value in data.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def has_key(data: Any, key: str) -> bool:
    """Whether nested mappings have a dotted key."""
    for part in key.split("."):
        if not isinstance(data, Mapping) or part not in data:
            return False
        data = data[part]
    return True


def lookup(tree: Any, key: str) -> Any:
    """The value at a dotted key, in mappings and objects; KeyError or AttributeError if it is missing."""
    for part in key.split("."):
        tree = tree[part] if isinstance(tree, Mapping) else getattr(tree, part)
    return tree

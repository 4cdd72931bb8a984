"""Trainings that a benchmark compares: what is finished is kept as JSON, so that it can be interrupted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Silent:
    """A metric stream and a checkpoint store that keep nothing."""

    def log(self, *_: Any) -> None:
        """Nothing."""

    def image(self, *_: Any) -> None:
        """Nothing."""

    def load(self) -> None:
        """No checkpoint."""

    def save(self, *_: Any) -> None:
        """Nothing."""

    def clear(self) -> None:
        """Nothing."""


def kept(place: Path, setting: Mapping[str, Any], make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A result that lies there from the same setting, else a new one, which is put there.

    Args:
        place: A JSON file.
        setting: Plain values; what another one gave is made anew.
        make: Gives the result, plain values too.
    """
    setting = json.loads(json.dumps(setting))
    if place.is_file():
        found: dict[str, Any] = json.loads(place.read_text(encoding="utf-8"))
        if found["setting"] == setting:
            return found
    found = {"setting": setting, **make()}
    place.parent.mkdir(parents=True, exist_ok=True)
    half = place.with_suffix(".part")
    half.write_text(json.dumps(found) + "\n", encoding="utf-8")
    half.replace(place)
    return found

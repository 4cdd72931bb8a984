"""What a training asks for at each step and report where nothing steers it; see lexipix.training.feedback."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from lexipix.training.schedule import rows_of_step


class Steady:
    """Steers nothing: rows come in turn, rates and weights stay as they are."""

    keep_best = False
    rate = 1.0

    def rows(self, images_seen: int, batch_size: int, n_rows: int, seed: int) -> Tensor:
        """See :func:`rows_of_step`."""
        return rows_of_step(images_seen, batch_size, n_rows, seed)

    def react(self, task: Any, figures: Mapping[str, float], learns: bool) -> dict[str, float]:
        """Nothing to do or to add."""
        return {}

    def pack(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The whole state: named tensors, and plain values."""
        return {}, {}

    def unpack(self, task: Any, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Undo :meth:`pack`, and let the task know."""


STEADY = Steady()

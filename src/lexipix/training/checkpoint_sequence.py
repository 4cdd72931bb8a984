"""Short trainings that follow each other inside one step: nothing is reported, what is finished is kept."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from lexipix.utils.types import CheckpointStore

FINISHED = "finished"


class CheckpointSequence:
    """A checkpoint store for several trainings, one after the other, in the place of one.

    An interrupted step then goes on within the training that was interrupted, and those before it are not
    done again.

    Args:
        store: Where everything is kept; cleared by :meth:`close` only.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        saved = store.load()
        self._finished: dict[str, float] = dict(saved[1].get(FINISHED, {})) if saved else {}

    def once(self, fingerprint: str, training: Callable[[], float]) -> float:
        """The figure that a training came to; it takes place unless it did before an interruption."""
        if fingerprint not in self._finished:
            figure = training()
            self._finished[fingerprint] = figure
            self._store.save({}, {FINISHED: self._finished})
        return self._finished[fingerprint]

    def save(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Keep the state of the training that runs, beside what is finished."""
        self._store.save(tensors, {**meta, FINISHED: self._finished})

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """What was kept; the training knows its own by the fingerprint."""
        return self._store.load()

    def clear(self) -> None:
        """A training is over; what is finished stays until all are."""

    def close(self) -> None:
        """All are over."""
        self._store.clear()

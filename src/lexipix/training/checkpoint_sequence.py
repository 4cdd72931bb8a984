"""Several short trainings inside one step, resumable one by one."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from lexipix.utils.types import CheckpointStore

FINISHED = "finished"


class CheckpointSequence:
    """A checkpoint store for several trainings, one after the other, in the place of one.

    An interrupted step continues within the interrupted training, and does not repeat those before it. Only
    :meth:`close` clears the store that keeps everything.
    """

    def __init__(self, store: CheckpointStore) -> None:
        self._store = store
        saved = store.load()
        self._finished: dict[str, float] = dict(saved[1].get(FINISHED, {})) if saved else {}

    def run_once(self, fingerprint: str, training: Callable[[], float]) -> float:
        """Return the metric of a training, which runs unless it finished before an interruption."""
        if fingerprint not in self._finished:
            self._finished[fingerprint] = training()
            self._store.save({}, {FINISHED: self._finished})
        return self._finished[fingerprint]

    def save(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Save the state of the running training, beside the metrics of the finished ones."""
        self._store.save(tensors, {**meta, FINISHED: self._finished})

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        return self._store.load()

    def clear(self) -> None:
        """Do nothing: a training is over, and the finished metrics stay until all trainings are."""

    def close(self) -> None:
        """Clear the store; all trainings are over."""
        self._store.clear()

"""The contract between stages and what runs them: :class:`Engine`.

A stage describes its work as a function that can be imported, parts that the data defines, and plain
arguments: all of them can cross to another process. Results do not depend on the engine.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.types import CheckpointStore, MetricStream

PART_ROWS = 4096  # of a split in a part: whole batches of every stage
Part = TypeVar("Part")
Result = TypeVar("Result")
Content = TypeVar("Content", NDArray[Any], list[Any])
Trained = TypeVar("Trained")


class Engine(ABC):
    """Runs the parts of a stage, and trainings."""

    @abstractmethod
    def map(
        self, function: Callable[..., Result], parts: Sequence[Part], *arguments: Any
    ) -> Iterator[Result]:
        """Yield ``function(part, *arguments)`` of each part, in their order.

        Results are small: what is large, the function writes to a file.
        """

    @abstractmethod
    def contents(
        self,
        key: Callable[[], str],
        function: Callable[..., Content],
        parts: Sequence[Part],
        *arguments: Any,
    ) -> Iterator[Content]:
        """Yield the large results of parts, arrays or lists of JSON-able values, in their order.

        ``key`` returns NAME/DIGEST, which identifies function, parts and arguments: what an interrupted run
        has done is not done again. Only an engine that keeps files calls it, as digests of models and images
        take their time.
        """

    @abstractmethod
    def train(
        self,
        function: Callable[..., Trained],
        job: Any,
        batch_size: int,
        stream: MetricStream,
        checkpoints: CheckpointStore,
    ) -> Trained:
        """Return ``function(job, stream, checkpoints)``, which trains a model.

        Several workers call it at the same time, each with an even part of the batch (``batch_size`` images,
        or those of a micro-batch).
        """

    @abstractmethod
    def close(self) -> None:
        """End what the engine has started."""


def row_parts(n_rows: int, part_rows: int = PART_ROWS) -> list[NDArray[np.int64]]:
    """Return the rows below ``n_rows`` in parts of ``part_rows``, the last one shorter; at least one part."""
    rows = np.arange(n_rows)
    return [rows[start : start + part_rows] for start in range(0, max(1, n_rows), part_rows)]

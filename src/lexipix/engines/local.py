"""The engine of one process: a loop over the parts, and the plain training loop."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lexipix.engines.base import Content, Engine, Part, Result, Trained
from lexipix.utils.types import CheckpointStore, MetricStream


class LocalEngine(Engine):
    """Runs everything in this process."""

    def map(
        self, function: Callable[..., Result], parts: Sequence[Part], *arguments: Any
    ) -> Iterator[Result]:
        return (function(part, *arguments) for part in parts)

    def contents(
        self,
        key: Callable[[], str],
        function: Callable[..., Content],
        parts: Sequence[Part],
        *arguments: Any,
    ) -> Iterator[Content]:
        return self.map(function, parts, *arguments)

    def train(
        self,
        function: Callable[..., Trained],
        job: Any,
        batch_size: int,
        stream: MetricStream,
        checkpoints: CheckpointStore,
    ) -> Trained:
        return function(job, stream, checkpoints)

    def close(self) -> None:
        """Do nothing: nothing was started."""


LOCAL = LocalEngine()

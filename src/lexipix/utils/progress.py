"""Progress of a loop: a bar with metrics and the time left on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)
T = TypeVar("T")

BAR_SECONDS = 0.5  # between updates of the bar
FIRST_LINE_SECONDS, LINE_SECONDS = 5.0, 30.0  # a loop shorter than the first logs nothing
MAX_METRICS = 3


class Progress:
    """Counts the items that a loop has processed and shows them; ``task`` and ``total`` may change."""

    def __init__(self, task: str, total: int | None, done: int = 0, unit: str = "images") -> None:
        self.task, self.total, self.done = task, total, done
        self._unit, self._first = unit, done
        self._start = time.monotonic()
        self._on_terminal = sys.stderr.isatty()
        self._due = self._start + (BAR_SECONDS if self._on_terminal else FIRST_LINE_SECONDS)

    def __enter__(self) -> Progress:
        if self._on_terminal:
            from rich.console import Console
            from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[status]}")
            self._bar = Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
            self._row = self._bar.add_task(self.task, total=self.total, completed=self.done, status="")
            self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._on_terminal:
            self._bar.stop()

    def advance(self, n: int = 1, metrics: Mapping[str, Tensor] | None = None) -> None:
        """Counts ``n`` more items; ``metrics`` (scalars) are read from their device only when shown."""
        self.done += n
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + (BAR_SECONDS if self._on_terminal else LINE_SECONDS)
        rate = (self.done - self._first) / (now - self._start)
        of_total = f" of {self.total:,}" if self.total else ""
        shown = list((metrics or {}).items())[:MAX_METRICS]
        values = "".join(f", {key}={value.detach().item():.3g}" for key, value in shown)
        status = f"{self.done:,}{of_total} {self._unit}, {rate:,.0f}/s{values}"
        if self._on_terminal:
            self._bar.update(
                self._row, description=self.task, total=self.total, completed=self.done, status=status
            )
            return
        left = f", about {max(0, self.total - self.done) / rate:.0f} s left" if self.total and rate else ""
        _log.info("%s: %s%s", self.task, status, left)


def track(
    items: Iterable[T],
    total: int | None,
    task: str,
    unit: str = "images",
    size: Callable[[T], int] = lambda item: 1,
) -> Iterator[T]:
    """Yields items, or batches of ``size`` items, and shows how many of ``total`` have been processed."""
    with Progress(task, total, unit=unit) as progress:
        for item in items:
            yield item
            progress.advance(size(item))

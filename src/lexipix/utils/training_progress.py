"""A progress bar with figures and the time left; plain log lines where there is no terminal."""

import logging
import time
from collections.abc import Iterator, Mapping
from types import TracebackType

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

logger = logging.getLogger(__name__)

FIRST_ESTIMATE_SECONDS = 5.0
LOG_EVERY_SECONDS = 30.0
AT_ONCE = 64


class TrainingProgress:
    """Shows how far a training is; without a terminal, an estimate once and a line every half minute."""

    def __init__(self, name: str, total: int, done: int, machine: str, doing: str = "training on") -> None:
        self.name, self.total, self.first, self.done = name, total, done, done
        self.console = Console(stderr=True)
        self.start = self.last_log = time.monotonic()
        self.estimated = False
        resumed = f", resumed at {done:,}" if done else ""
        logger.info("%s: %s %s images in %s%s", name, doing, f"{total:,}", machine, resumed)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[figures]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task = self.bar.add_task(name, total=total, completed=done, figures="")

    def __enter__(self) -> "TrainingProgress":
        self.bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def advance(self, images: int, figures: Mapping[str, Tensor]) -> None:
        """Count ``images`` more; figures are read only when something is shown."""
        self.done += images
        now = time.monotonic()
        since = now - self.last_log
        if self.console.is_terminal:
            if since > 0.5:
                self.last_log = now
                self.bar.update(self.task, completed=self.done, figures=_show(figures))
        elif since > (LOG_EVERY_SECONDS if self.estimated else FIRST_ESTIMATE_SECONDS):
            self.last_log, self.estimated = now, True
            rate = (self.done - self.first) / (now - self.start)
            left = (self.total - self.done) / rate
            logger.info(
                "%s: %s of %s images, %.0f images/s, %s, about %.0f s left",
                self.name, f"{self.done:,}", f"{self.total:,}", rate, _show(figures), max(left, 0),
            )  # fmt: skip


def in_chunks(n: int, name: str, doing: str, machine: str) -> Iterator[Tensor]:
    """Row numbers 0 to ``n`` - 1, so many at a time, with a progress bar as for a training."""
    with TrainingProgress(name, n, 0, machine, doing) as bar:
        for rows in torch.arange(n).split(AT_ONCE):
            yield rows
            bar.advance(len(rows), {})


def _show(figures: Mapping[str, Tensor]) -> str:
    return " ".join(f"{key}={value.detach().item():.3g}" for key, value in list(figures.items())[:3])

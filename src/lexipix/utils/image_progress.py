"""How far the reading or the drawing of pictures has come, for a person to see."""

import logging
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

_log = logging.getLogger(__name__)
T = TypeVar("T")

# Seconds. A terminal gets a moving bar; a log file a line now and then, and none when it goes quickly.
_BAR_EVERY = 0.2
_LINE_FIRST, _LINE_EVERY = 3.0, 15.0


def tracked(items: Iterable[T], total: int | None, doing: str = "Ingesting") -> Iterator[T]:
    """Pass items on and show on stderr how many there were and how quickly they come.

    Args:
        items: Anything.
        total: How many to expect, if that is known; it need not be exact.
        doing: What happens to them, in a word.
    """
    show = _with_bar if sys.stderr.isatty() else _with_lines
    return show(items, total, doing)


def _with_bar(items: Iterable[T], total: int | None, doing: str) -> Iterator[T]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn(doing),
        BarColumn(),
        TextColumn("{task.completed:,.0f} pictures, {task.fields[rate]:,.0f}/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=total, rate=0.0)
        for n_images, seconds, item in _counted(items, _BAR_EVERY, _BAR_EVERY):
            if seconds is not None:
                progress.update(task, completed=n_images, rate=n_images / seconds)
            yield item


def _with_lines(items: Iterable[T], total: int | None, doing: str) -> Iterator[T]:
    of = f" of {total:,}" if total else ""
    for n_images, seconds, item in _counted(items, _LINE_FIRST, _LINE_EVERY):
        if seconds is not None:
            _log.info("%s: %s%s pictures, %s/s", doing, f"{n_images:,}", of, f"{n_images / seconds:,.0f}")
        yield item


def _counted(items: Iterable[T], first: float, every: float) -> Iterator[tuple[int, float | None, T]]:
    """Number of items so far, the seconds they took when it is time to tell, the item."""
    started = time.perf_counter()
    due = started + first
    for n_items, item in enumerate(items, 1):
        now = time.perf_counter()
        if now < due:
            yield n_items, None, item
        else:
            due = now + every
            yield n_items, now - started, item

"""Names of processes that stay clear when the system gives a process number to another process."""

from __future__ import annotations

import platform
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

CLOCK_SECONDS = 5.0  # by which start times may differ from other times


def process_name(process: psutil.Process | None = None) -> str:
    """A process, by default this one, as number, start time and machine: ``123@1764453600 laptop``."""
    import psutil

    process = process or psutil.Process()
    return f"{process.pid}@{process.create_time():.0f} {platform.node()}"


def has_ended(name: str) -> bool:
    """Whether the process of a name has ended; False if it is unknown, as on another machine."""
    import psutil

    match = re.fullmatch(r"(\d+)@(\d+) (.*)", name)
    if match is None or match[3] != platform.node():
        return False
    try:
        # The system's clock may have been set since, by which start times differ
        created: float = psutil.Process(int(match[1])).create_time()
        return abs(created - int(match[2])) > CLOCK_SECONDS
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False

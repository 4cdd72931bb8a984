"""Facts about this machine: its processor and how many cores this process may use."""

import os
import platform
from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")  # Linux only


def n_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def cpu_model() -> str:
    """Name of the processor, such as ``AMD EPYC``."""
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"


def describe_machine() -> str:
    """Processor and cores in one line, such as ``AMD EPYC, 2 cores``."""
    return f"{cpu_model()}, {n_cores()} cores"

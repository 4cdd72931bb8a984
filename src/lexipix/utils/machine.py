"""Facts about this machine: its processor and how many cores this process may use."""

import os
import platform
from functools import cache
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")  # Linux only


def n_cores() -> int:
    """Number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_model() -> str:
    """Name of the processor, such as ``AMD EPYC``."""
    return _cpu_info().get("model name") or platform.processor() or platform.machine() or "unknown processor"


def cpu_flags() -> frozenset[str]:
    """Instruction sets of the processor, such as ``avx512_bf16``; empty on systems other than Linux."""
    return frozenset(_cpu_info().get("flags", "").split())


def describe_machine() -> str:
    """Processor and cores in one line, such as ``AMD EPYC, 2 cores``."""
    return f"{cpu_model()}, {n_cores()} cores"


@cache
def _cpu_info() -> dict[str, str]:
    """Fields of the first processor that Linux lists."""
    if not CPU_INFO.is_file():
        return {}
    first = CPU_INFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    fields = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in fields}

"""Facts about this machine: its processor and how many cores this process may use."""

import os
import platform
import re
from contextlib import suppress
from functools import cache
from pathlib import Path

# Limit and use of memory of a process in a container, of both versions of Linux's control groups
_CGROUPS = tuple(
    (Path("/sys/fs/cgroup", limit), Path("/sys/fs/cgroup", used))
    for limit, used in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    )
)
_DROPPABLE = re.compile(r"^(?:total_)?inactive_file (\d+)$", re.MULTILINE)  # bytes of files kept in memory
CPU_INFO = Path("/proc/cpuinfo")  # Linux only


_share: int | None = None


def share_cores(n: int | None) -> None:
    """Let this process use ``n`` cores only, since others use the rest; None: all that the system lets it."""
    global _share
    _share = n


def n_cores() -> int:
    """Number of processor cores that this process may use."""
    n = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return n if _share is None else min(n, _share)


@cache
def cpu_model() -> str:
    """Name of the processor, such as ``AMD EPYC``."""
    if CPU_INFO.is_file():
        for line in CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "unknown processor"


def available_mb() -> float | None:
    """Memory that this process may still take, in MB of 2^20 bytes; None where the system does not say.

    It is what the machine has free, or what is left of a container's limit (cgroup) or of ``ulimit -v``.
    """
    import psutil

    limits = [float(psutil.virtual_memory().available)]
    for limit, used in _CGROUPS:
        with suppress(OSError, ValueError):  # no such group, or "max"
            limits.append(int(limit.read_text()) - int(used.read_text()) + _droppable(limit.parent))
    with suppress(ImportError, OSError):
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        if allowed != resource.RLIM_INFINITY:
            limits.append(allowed - psutil.Process().memory_info().vms)
    return min(limits) / 2**20


def _droppable(group: Path) -> int:
    """Bytes in use by a control group that the system drops when a process needs them."""
    try:
        found = _DROPPABLE.findall((group / "memory.stat").read_text())
    except OSError:
        return 0
    return max(map(int, found), default=0)


def describe_machine() -> str:
    """Processor and cores in one line, such as ``AMD EPYC, 2 cores``."""
    return f"{cpu_model()}, {n_cores()} cores"

"""Facts about this machine: its processor and how many cores this process may use."""

import os
import platform
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path, PurePosixPath

# Linux's control groups, of versions 1 and 2: where they are, the files with limit and use of memory, and the
# groups of this process
CGROUPS, OWN_CGROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")
_V1, _V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")
_DROPPABLE = re.compile(r"^(?:total_)?inactive_file (\d+)$", re.MULTILINE)  # bytes of files kept in memory
CPU_INFO = Path("/proc/cpuinfo")  # Linux only


_share: int | None = None  # cores that this process may use at most


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
    for group, limit, used in _memory_groups():
        with suppress(OSError, ValueError):  # no such group, or "max"
            left = int((group / limit).read_text()) - int((group / used).read_text())
            limits.append(left + _droppable(group))
    with suppress(ImportError, OSError):
        import resource

        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
        if allowed != resource.RLIM_INFINITY:
            limits.append(allowed - psutil.Process().memory_info().vms)
    return min(limits) / 2**20


def _memory_groups() -> Iterator[tuple[Path, str, str]]:
    """The control groups of this process and those above, which limit it as well.

    Each comes with the names of its files. In a container the group itself may be the root.
    """
    yield CGROUPS, *_V2
    yield CGROUPS / "memory", *_V1
    with suppress(OSError):
        for line in OWN_CGROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            place = PurePosixPath(path.lstrip("/"))
            if (not controllers or "memory" in controllers.split(",")) and ".." not in place.parts:
                root, names = (CGROUPS / "memory", _V1) if controllers else (CGROUPS, _V2)
                for group in (place, *place.parents):
                    yield root / group, *names


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

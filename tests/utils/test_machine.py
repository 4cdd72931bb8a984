import pytest

from lexipix.utils import machine

V1, V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")
CPU_INFO = """processor\t: 0
model name\t: AMD EPYC 7B13

processor\t: 1
model name\t: another
"""


@pytest.fixture(autouse=True)
def _nothing_remembered():
    machine.cpu_model.cache_clear()
    yield
    machine.cpu_model.cache_clear()


def test_the_processor_is_read_from_linux(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPU_INFO)
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "cpuinfo")
    monkeypatch.setattr(machine, "n_cores", lambda: 2)
    assert machine.describe_machine() == "AMD EPYC 7B13, 2 cores"


def test_other_systems_have_a_name(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "missing")
    assert machine.cpu_model()


def test_there_is_at_least_one_core():
    assert machine.n_cores() >= 1


def test_a_worker_has_its_share_of_the_cores(monkeypatch):
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    monkeypatch.setattr(machine, "_share", None)
    assert machine.n_cores() == 16
    machine.share_cores(4)
    assert machine.n_cores() == 4
    machine.share_cores(32)
    assert machine.n_cores() == 16


@pytest.fixture
def groups(tmp_path, monkeypatch):
    """Writes limit and use, in MB, and bytes that can be dropped, of control groups of this process."""
    monkeypatch.setattr(machine, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(machine, "OWN_CGROUPS", tmp_path / "own")

    def write(own, **limits):
        (tmp_path / "own").write_text(own)
        for group, (limit, used) in limits.items():
            folder = tmp_path / "cgroup" / group.replace("_", "/")
            folder.mkdir(parents=True, exist_ok=True)
            names = V1 if group.startswith("memory") else V2
            for name, number in zip(names, (limit, used), strict=True):
                (folder / name).write_text(f"{number * 2**20 if isinstance(number, int) else number}\n")
        return tmp_path / "cgroup"

    return write


def test_without_groups_all_free_memory_is_available(groups, tmp_path):
    (tmp_path / "cgroup").mkdir()
    assert machine.available_mb() > 100
    groups("0::/\n")
    assert machine.available_mb() > 100


@pytest.mark.parametrize(
    ("own", "limits", "left"),
    [
        ("0::/\n", {".": (8, 5)}, 3),
        ("0::/user/job\n", {"user": (20, 6), "user_job": (9, 5)}, 4),
        ("0::/user/job\n", {"user": (8, 6), "user_job": (9, 5)}, 2),
        ("0::/user/job\n", {"user": (8, 6), "user_job": ("max", 5)}, 2),
        ("3:cpu:/\n2:memory:/job\n0::/\n", {"memory_job": (9, 8)}, 1),
        ("2:cpu,memory:/job/a\n", {"memory": (7, 3), "memory_job": (9, 2), "memory_job_a": (50, 1)}, 4),
        ("0::/../other\n", {".": (8, 5)}, 3),
    ],
)
def test_available_memory_is_the_smallest_limit_of_all_groups_above(groups, own, limits, left):
    folder = groups(own, **limits)
    assert machine.available_mb() == left
    for group in limits:
        stat = folder / group.replace("_", "/") / "memory.stat"
        stat.write_text(f"anon 5\ninactive_file {2 * 2**20}\n")
    assert machine.available_mb() == left + 2, "files that the system keeps in memory can be dropped"

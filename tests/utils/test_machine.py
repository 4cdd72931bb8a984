import pytest

from lexipix.utils import machine

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


def test_available_memory_is_the_smallest_limit(tmp_path, monkeypatch):
    limit, used = tmp_path / "max", tmp_path / "current"
    monkeypatch.setattr(machine, "_CGROUPS", ((limit, used), (tmp_path / "none", tmp_path / "none")))
    without = machine.available_mb()
    limit.write_text("max\n")
    used.write_text(f"{5 * 2**20}\n")
    assert machine.available_mb() == pytest.approx(without, rel=0.2)
    limit.write_text(f"{8 * 2**20}\n")
    assert machine.available_mb() == 3.0
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {2 * 2**20}\n")
    assert machine.available_mb() == 5.0, "files that the system keeps in memory can be dropped"

from lexipix.utils import machine

CPU_INFO = """processor\t: 0
model name\t: AMD EPYC 7B13
flags\t\t: fpu avx2 avx512_bf16

processor\t: 1
model name\t: another
"""


def test_the_processor_is_read_from_linux(tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(CPU_INFO)
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "cpuinfo")
    machine._cpu_info.cache_clear()
    monkeypatch.setattr(machine, "n_cores", lambda: 2)
    assert machine.describe_machine() == "AMD EPYC 7B13, 2 cores"
    assert machine.cpu_flags() == {"fpu", "avx2", "avx512_bf16"}
    machine._cpu_info.cache_clear()


def test_other_systems_have_a_name_and_no_flags(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPU_INFO", tmp_path / "missing")
    machine._cpu_info.cache_clear()
    assert machine.cpu_model()
    assert machine.cpu_flags() == frozenset()
    machine._cpu_info.cache_clear()


def test_there_is_at_least_one_core():
    assert machine.n_cores() >= 1

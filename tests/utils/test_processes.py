import platform
import subprocess
import sys

from lexipix.utils.processes import has_ended, process_name


def test_a_process_has_ended_when_its_number_is_free_or_another_ones():
    me = process_name()
    assert not has_ended(me)
    number, _, rest = me.partition("@")
    created, _, node = rest.partition(" ")
    assert has_ended(f"{number}@{int(created) - 100} {node}")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert has_ended(f"{child.pid}@{created} {node}")


def test_nothing_is_known_of_processes_elsewhere():
    assert not has_ended(f"1@2 not-{platform.node()}")
    assert not has_ended("")

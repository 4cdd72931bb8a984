import pytest

from lexipix.utils import threads as cores
from lexipix.utils.threads import on_all_cores


@pytest.mark.parametrize("n_cores", [1, 2])
def test_work_is_shared_out_in_order(monkeypatch, n_cores):
    monkeypatch.setattr(cores, "n_cores", lambda: n_cores)
    assert on_all_cores(lambda x: x * x, range(50)) == [x * x for x in range(50)]
    assert on_all_cores(lambda x: x, []) == []

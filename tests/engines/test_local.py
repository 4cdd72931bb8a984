from collections import Counter

import numpy as np
import pytest

from lexipix.engines.base import row_parts
from lexipix.engines.local import LOCAL

calls = Counter()


def squares(rows, offset):
    calls["squares"] += 1
    return rows**2 + offset


def test_parts_hold_every_row_once_in_order():
    assert [rows.tolist() for rows in row_parts(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert [rows.tolist() for rows in row_parts(0, 3)] == [[]], "an empty split has results too: of no rows"


def test_the_loop_gives_results_in_order_one_at_a_time():
    calls.clear()
    results = LOCAL.contents(lambda: pytest.fail("it costs time"), squares, row_parts(7, 3), 10)
    assert calls["squares"] == 0
    assert next(results).tolist() == [10, 11, 14] and calls["squares"] == 1
    assert np.concatenate(list(results)).tolist() == [19, 26, 35, 46]


def test_a_training_is_a_call():
    assert LOCAL.train(lambda *given: given, "job", 8, "stream", "checkpoints") == (
        "job",
        "stream",
        "checkpoints",
    )

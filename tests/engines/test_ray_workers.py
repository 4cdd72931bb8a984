import pytest

from lexipix.engines.ray_workers import Workers, n_training, share_machines

MACHINES = [(16, 0)] * 10


@pytest.mark.parametrize(
    ("machines", "wanted", "gpus", "expected"),
    [
        (MACHINES, 0, 0, Workers(160, 1, 0)),
        (MACHINES, 2, 0, Workers(2, 16, 0)),  # none is larger than its machine
        (MACHINES, 10, 0, Workers(10, 16, 0)),
        (MACHINES, 12, 0, Workers(12, 8, 0)),  # 13 CPUs each would leave room for ten
        (MACHINES, 20, 0, Workers(20, 8, 0)),
        (MACHINES, 31, 0, Workers(31, 4, 0)),
        (MACHINES, 1000, 0, Workers(160, 1, 0)),
        ([(0, 0), (2, 0), (7, 0)], 3, 0, Workers(3, 2, 0)),
        ([(16, 8), (16, 2)], 0, 2, Workers(5, 1, 2)),
        ([(16, 8), (2, 8)], 12, 1, Workers(10, 1, 1)),
        ([(16, 1)], 0, 2, Workers(0, 1, 2)),
        ([], 3, 0, Workers(0, 1, 0)),
    ],
)
def test_as_many_workers_as_are_wanted_with_the_most_cores(machines, wanted, gpus, expected):
    assert share_machines(machines, wanted, gpus) == expected


@pytest.mark.parametrize(
    ("batch_size", "n_workers", "expected"),
    [(64, 1, 1), (64, 8, 8), (64, 7, 4), (64, 160, 8), (16, 160, 2), (15, 160, 1), (4, 160, 1), (96, 10, 8)],
)
def test_a_batch_is_divided_evenly_and_no_worker_gets_a_few_images(batch_size, n_workers, expected):
    assert n_training(batch_size, n_workers) == expected
    assert batch_size % expected == 0 and (expected == 1 or batch_size // expected >= 8)

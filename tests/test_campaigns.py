"""A slice of the campaigns of hostile inputs and of kills; `make fuzz` and `make chaos` run them whole."""

import random

import pytest
from tests.campaigns.chaos import Chaos
from tests.campaigns.fuzz import run_units

SEED = 7
# Commands and the service take longest to start, and have tests of their own
UNITS = {
    "pictures": [2, 6],
    "captions": [0],
    "metadata": [0],
    "packed": [0],
    "parameters": [7],
    "models": [0],
}


def test_a_run_killed_a_dozen_times_ends_in_the_bytes_of_one_that_ran_through(smoke, tmp_path):
    chaos = Chaos(tmp_path, random.Random(SEED), (2.2, 3.6), undisturbed=smoke.path)
    chain = chaos.run("features", max_kills=12)
    assert chain.faults == []
    assert chain.kills.total() >= 5


@pytest.mark.parametrize("name", UNITS)
def test_every_hostile_input_ends_in_a_result_a_reject_or_a_sentence(name):
    results = list(run_units(name, SEED, UNITS[name]))
    assert [result["unit"] for result in results] == UNITS[name]
    assert [fault for result in results for fault in result["faults"]] == []
    assert sum(sum(result["outcomes"].values()) for result in results) >= 5

"""A slice of the campaigns of hostile inputs and of kills; `make fuzz` and `make chaos` run them whole."""

import random

import pytest
from tests.campaigns.chaos import Chaos
from tests.campaigns.comparison import differences
from tests.campaigns.fuzz import Journal, run_units

SEED = 7
KILLS_SEED = 13  # SIGKILL, SIGTERM and SIGINT
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
    rows = []
    chaos = Chaos(
        tmp_path, random.Random(KILLS_SEED), (0.05, 2.0), undisturbed=smoke.path,
        begun="data/smoke/.run.json", note=rows.append,
    )  # fmt: skip
    chain = chaos.run("features", max_kills=12)
    assert chain.faults == []
    assert chain.kills.total() >= 8
    kills = [{"chain": "features", "kill": name} for name in chain.kills.elements()]
    assert sorted(rows, key=str) == sorted([*kills, {"chain": "features", "faults": []}], key=str)


def test_results_that_are_lost_added_or_changed_are_faults(tmp_path):
    """Measured times are no difference."""
    for name in ("mine", "undisturbed"):
        for folder in ("06_models/vae", "06_models/gan", "08_reporting"):
            (tmp_path / name / "data" / folder).mkdir(parents=True)
        (tmp_path / name / "data/06_models/vae/model.safetensors").write_bytes(b"same")
        (tmp_path / name / "data/06_models/vae/card.json").write_text(f'{{"seconds": {len(name)}, "n": 1}}')
        (tmp_path / name / "data/06_models/gan/model.safetensors").write_bytes(b"same")
        (tmp_path / name / "data/08_reporting/report.html").write_text(name)
    assert list(differences(tmp_path / "mine", tmp_path / "undisturbed", ["data"])) == []
    mine = tmp_path / "mine/data/06_models"
    (mine / "vae/card.json").write_text('{"seconds": 3, "n": 2}')
    (mine / "gan/model.safetensors").rename(mine / "gan/other.safetensors")
    faults = list(differences(tmp_path / "mine", tmp_path / "undisturbed", ["data", "none"]))
    assert faults == [
        "data/06_models/gan/model.safetensors is missing",
        "data/06_models/gan/other.safetensors is in no undisturbed run",
        "data/06_models/vae/card.json is other than undisturbed",
        "the undisturbed run has nothing in none",
    ]


def test_a_torn_line_of_a_journal_is_no_result_and_does_not_stop_the_next_ones(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.add({"unit": 1})
    with journal.path.open("a") as file:
        file.write('{"unit": 2, "faults": {}')
    assert list(journal) == [{"unit": 1}]
    journal.add({"unit": 3})
    journal.add({"unit": 4})
    assert list(journal) == [{"unit": 1}, {"unit": 3}, {"unit": 4}]


@pytest.mark.parametrize("name", UNITS)
def test_every_hostile_input_ends_in_a_result_a_reject_or_a_sentence(name):
    results = list(run_units(name, SEED, UNITS[name]))
    assert [result["unit"] for result in results] == UNITS[name]
    assert [fault for result in results for fault in result["faults"]] == []
    assert sum(sum(result["outcomes"].values()) for result in results) >= 5

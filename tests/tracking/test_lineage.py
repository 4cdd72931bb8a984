import shlex

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.framework.cli.project import run as kedro_run

from lexipix.tracking.lineage import command, experiment_name, flatten, run_name, tags

NOTHING = {
    "env": None, "pipeline_names": [], "tags": (), "node_names": (), "from_nodes": [], "to_nodes": [],
    "from_inputs": [], "to_outputs": [], "namespaces": [], "runtime_params": {},
    "only_missing_outputs": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("params", "name"),
    [
        ({}, "all@base"),
        ({"env": "local"}, "all@base"),
        ({"env": "smoke", "pipeline_names": ["features"]}, "features@smoke"),
        ({"pipeline_names": ["captioner", "ingestion"]}, "ingestion+captioner@base"),
        (
            {"env": "cifar10", "pipeline_names": ["generator"], "tags": ("vae", "gan")},
            "generator[gan,vae]@cifar10",
        ),
    ],
)
def test_run_name_says_what_runs_in_the_pipelines_own_order(params, name):
    assert run_name(NOTHING | params) == name


def test_each_environment_has_its_experiment():
    assert [experiment_name(env) for env in (None, "local", "base", "smoke")] == [
        "lexipix", "lexipix", "lexipix", "lexipix-smoke",
    ]  # fmt: skip


def parsed(line):
    """What Kedro's own command makes of a command line."""
    words = shlex.split(line)
    assert words[:2] == ["kedro", "run"]
    with click.Context(kedro_run) as context:
        kedro_run.parse_args(context, words[2:])
        return context.params


def test_command_repeats_the_run():
    line = command(
        NOTHING
        | {
            "env": "smoke",
            "pipeline_names": ["generator", "features"],
            "tags": ("vae",),
            "to_outputs": ["vae"],
            "runtime_params": {"run": {"seed": 3}, "ingestion": {"source": {"path": "/my pictures/x"}}},
            "only_missing_outputs": True,
        }
    )
    options = parsed(line)
    assert options["env"] == "smoke"
    assert options["pipelines"] == ["features", "generator"]
    assert list(options["tags"]) == ["vae"]
    assert options["to_outputs"] == ["vae"]
    assert options["params"] == {"run": {"seed": 3}, "ingestion": {"source": {"path": "/my pictures/x"}}}
    assert options["only_missing_outputs"] is True


def test_a_configuration_elsewhere_is_in_the_command():
    line = command(NOTHING | {"conf_source": "/my conf", "env": "smoke"})
    assert line == "kedro run --env smoke --conf-source '/my conf'"


values = st.one_of(
    st.integers(),
    st.booleans(),
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["cuda", "/my pictures/a-b_c.d", "~/x", "it's", 'a "quoted" word', "a$b", "grün"]),
)


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xyz"), values, min_size=1)))
def test_parameters_survive_the_command_line(given_params):
    assert parsed(command(NOTHING | {"runtime_params": given_params}))["params"] == given_params


def test_tags_name_dvc_stage_and_experiment(monkeypatch):
    monkeypatch.setenv("DVC_STAGE", "features")
    monkeypatch.setenv("DVC_EXP_NAME", "brave-owl")
    monkeypatch.delenv("DVC_EXP_BASELINE_REV", raising=False)
    known = tags(NOTHING)
    assert known["dvc.stage"] == "features"
    assert known["dvc.experiment"] == "brave-owl"
    assert "dvc.baseline" not in known
    assert "cores" in known["machine"]
    assert known["command"] == "kedro run"


def test_flatten_gives_leaves_with_dotted_keys():
    assert dict(flatten({"a": {"b": {"c": 1}, "d": [1, 2]}, "e": {}})) == {"a.b.c": 1, "a.d": [1, 2]}

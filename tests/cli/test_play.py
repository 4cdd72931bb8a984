"""``kedro play`` before the page opens; tests/play opens it."""

from importlib import import_module

import pytest
from click.testing import CliRunner

from lexipix.cli.play import play

module = import_module("lexipix.cli.play")  # the package has the command by this name


@pytest.fixture
def without_gradio(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)


def test_a_missing_extra_is_named(project, without_gradio):
    answer = CliRunner().invoke(play, [], obj=project)
    assert answer.exit_code == 1
    assert answer.output == (
        "Error: The page needs Gradio: use `make play`, or install the extra lexipix[play].\n"
    )


def test_an_environment_without_models_names_the_command_that_trains_them(project, monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: object())
    monkeypatch.setenv("LEXIPIX_MLFLOW", "0")
    answer = CliRunner().invoke(play, ["--env", "cifar10"], obj=project)
    assert answer.exit_code == 1
    assert "run `kedro run --env cifar10" in answer.output

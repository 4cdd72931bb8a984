"""The image-token generator, untrained."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from tests.support.exported_models import draw, draw_one

from lexipix.cli.generate import generate
from lexipix.cli.redraw import redraw
from lexipix.datasets.models import ModelFolderDataset
from lexipix.inference.token_generator import TokenImageGenerator
from lexipix.utils import threads as cores
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import skipped

TEXT = "a big red circle at the left on white"
OTHER = "a small star"


@pytest.fixture
def generator(tokens_model):
    return TokenImageGenerator(tokens_model)


def test_an_image_depends_on_prompt_seed_and_index_alone(generator):
    together = draw(generator, [TEXT, OTHER], 2, 7)
    assert together.shape == (4, 16, 16, 3) and together.dtype == np.uint8
    assert np.array_equal(together[2], draw(generator, [OTHER], 1, 7)[0])
    assert np.array_equal(together[1], draw_one(generator, TEXT, 7, 1))
    assert not np.array_equal(together[0], together[1])
    assert not np.array_equal(together[0], draw(generator, [TEXT], 1, 8)[0])


def test_one_core_draws_what_two_draw(generator, monkeypatch):
    drawn = []
    for n_cores in (1, 2):
        monkeypatch.setattr(cores, "n_cores", lambda n=n_cores: n)
        drawn.append(draw(generator, [TEXT, OTHER], 2, 3))
    assert np.array_equal(*drawn)


def test_a_model_that_was_not_trained_is_an_error_with_the_reason():
    with pytest.raises(LexipixError, match=r"'tokens' is not trained here: generator\.tokens\.enabled is"):
        TokenImageGenerator(skipped("generator.tokens.enabled is false"))


def test_generate_and_redraw_by_tokens(project, tmp_path):
    for command, arguments in ((generate, [TEXT, "-n", "2"]), (redraw, ["star.png", "--text", TEXT])):
        out = tmp_path / command.name
        asked = [*arguments, "--model", "tokens", "--out", str(out)]
        result = CliRunner().invoke(command, asked, obj=project)
        assert result.exit_code == 0, result.output
        assert (out / "sheet.png").is_file()
    lines = (tmp_path / "generate" / "generated.jsonl").read_text().splitlines()
    assert [json.loads(line)["model"] for line in lines] == ["tokens", "tokens"]
    trail = json.loads((tmp_path / "redraw" / "trail.json").read_text())
    assert {one["model"] for one in trail["attempts"]} == {"tokens"}


def test_an_error_names_the_command_that_trains_the_tokens(project):
    for model, said in (
        (None, "There is no trained tokens at"),
        (skipped("a.b is false"), "'tokens' is not trained here"),
    ):
        folder = project.project_path / "data/06_models/tokens"
        if model is None:
            folder.rename(folder.with_name("away"))
        else:
            ModelFolderDataset(filepath=str(folder)).save(model)
        result = CliRunner().invoke(generate, [TEXT, "--model", "tokens"], obj=project)
        assert result.exit_code == 1 and said in " ".join(result.output.split())
        assert "--tags " in result.output

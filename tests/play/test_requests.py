import numpy as np
import pytest

from lexipix.cli.project_context import ProjectContext
from lexipix.play.models import Models, OpenModels
from lexipix.play.requests import DrawRequest, MorphRequest, whole_number
from lexipix.utils.errors import LexipixError

TEXT = "a small blue star at the top on black"


@pytest.fixture
def models(project):
    return OpenModels(ProjectContext(project.project_path, None))


@pytest.mark.parametrize("value", [None, "", "x", 17, -1, float("nan"), float("inf"), [1]])
def test_a_number_that_is_none_or_out_of_range(value):
    with pytest.raises(LexipixError, match="The seed must be a whole number from 0 to 16"):
        whole_number("The seed", value, 0, 16)


def test_a_request_of_a_page_draws_what_the_api_draws(models):
    output = DrawRequest.of("base", TEXT, 4, 7.0, "fast", 2).draw(models)
    assert np.array_equal(output.pixels, models.pipe(TEXT, 4, 7, "fast", 2).pixels)
    frames = MorphRequest.of("base", TEXT, "a big red circle", "5", "7", "best").draw(models)
    assert np.array_equal(frames, models.pipe.interpolate(TEXT, "a big red circle", 5, 7, "best"))


def test_a_very_long_prompt_is_refused_before_it_is_read(models, monkeypatch):
    monkeypatch.setattr(models, "pipe", None)
    with pytest.raises(LexipixError, match="has 1,000,000 characters, more than 1,000: shorten it"):
        DrawRequest.of("base", "x" * 1_000_000, 4, 7, "fast", 1).draw(models)
    with pytest.raises(LexipixError, match="shorten it"):
        MorphRequest.of("base", TEXT, "x" * 1_001, 4, 7, "fast").draw(models)


def test_models_are_offered_where_there_are_some(project, monkeypatch):
    monkeypatch.setenv("LEXIPIX_MLFLOW", "0")
    models = Models(project.project_path, None)
    assert models.names == ["base"]
    assert models.open("base") is models.open("base")
    with pytest.raises(LexipixError, match="There are no models 'smoke': choose from base"):
        models.open("smoke")


def test_examples_are_prompts_that_the_model_knows(models):
    assert models.examples(2) == list(models.generation.prompts[:2])

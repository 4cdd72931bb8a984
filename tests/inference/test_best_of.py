import numpy as np
import pytest

from lexipix.config.generation import GenerationParameters
from lexipix.inference.best_of import BestOfConfig, best_of
from lexipix.inference.generate import GeneratedImages
from lexipix.inference.onnx_models import noise_of
from lexipix.utils.errors import LexipixError

PROMPTS = ["a big red circle at the left on white", "a small blue star at the top on black"]
TEXTS, INDICES = [PROMPTS[0]] * 3 + [PROMPTS[1]] * 3, np.array([0, 1, 2] * 2)


def choose(drawer, scorer, texts=TEXTS, indices=INDICES, **effort):
    return best_of(drawer, scorer, texts, indices, 7, BestOfConfig(**effort))


@pytest.fixture
def everything(drawer, scorer):
    """Scores and pictures of eight candidates of each, one by one: (6, 8) and (6, 8, S, S, 3)."""
    images = np.stack(
        [
            [drawer.draw([text], noise_of(7, index, drawer.noise_dim, number))[0] for number in range(8)]
            for text, index in zip(TEXTS, INDICES, strict=True)
        ]
    )
    scores = [
        [float(scorer.image_vector(image) @ scorer.text_vector(text)) for image in row]
        for row, text in zip(images, TEXTS, strict=True)
    ]
    return np.array(scores), images


def test_the_best_of_all_candidates_is_kept(drawer, scorer, everything):
    scores, images = everything
    for candidates in (1, 2, 5, 8):
        found = choose(drawer, scorer, candidates=candidates)
        best = scores[:, :candidates].argmax(1)
        assert found.places.tolist() == best.tolist()
        assert np.array_equal(found.images, images[np.arange(6), best])
        assert found.scores == pytest.approx(scores[np.arange(6), best])
        assert found.drawn.tolist() == [candidates] * 6
    assert len(set(best)) > 1


def test_the_first_candidate_is_what_is_drawn_without_others(drawer, scorer):
    alone = choose(drawer, None)
    assert np.array_equal(alone.images, choose(drawer, scorer).images)
    for image, text, index in zip(alone.images, TEXTS, INDICES, strict=True):
        assert np.array_equal(image, drawer.draw_one(text, 7, int(index)))
    assert np.isnan(alone.scores).all() and (alone.drawn == 1).all()


def test_the_first_that_is_good_enough_ends_the_search(drawer, scorer, everything):
    scores, images = everything
    until = float(np.median(scores.max(1)))
    found = choose(drawer, scorer, candidates=8, until=until)
    for row in range(6):
        enough = np.flatnonzero(scores[row] >= until)
        place = enough[0] if len(enough) else scores[row].argmax()
        assert found.places[row] == place
        assert np.array_equal(found.images[row], images[row, place])
        assert found.drawn[row] == (place + 1 if len(enough) else 8)
    assert 8 in found.drawn and found.drawn.min() < 8


@pytest.mark.parametrize("effort", [{"candidates": 7}, {"candidates": 7, "until": 0.2}])
def test_a_choice_depends_on_its_own_prompt_and_index_alone(drawer, scorer, monkeypatch, effort):
    whole = choose(drawer, scorer, **effort)
    alone = [
        choose(drawer, scorer, TEXTS[row : row + 1], INDICES[row : row + 1], **effort) for row in range(6)
    ]
    monkeypatch.setattr("lexipix.inference.best_of.IN_MEMORY", 8)
    tight = choose(drawer, scorer, **effort)
    for row, one in enumerate(alone):
        for other in (tight, whole):
            assert np.array_equal(other.images[row], one.images[0])
            assert (other.places[row], other.drawn[row]) == (one.places[0], one.drawn[0])


def test_few_candidates_are_in_memory_at_a_time(drawer, scorer, monkeypatch):
    monkeypatch.setattr("lexipix.inference.best_of.IN_MEMORY", 12)
    asked, whole = [], drawer.draw
    monkeypatch.setattr(drawer, "draw", lambda *args: asked.append(len(args[0])) or whole(*args))
    choose(drawer, scorer, candidates=5)
    assert asked == [10, 10, 10]
    choose(drawer, scorer, candidates=12)
    assert asked[3:] == [12] * 6


def test_a_stream_of_blocks_has_the_same_choices(drawer, scorer, monkeypatch):
    drawing = GeneratedImages(drawer, scorer, PROMPTS, 3, 7, "vae", BestOfConfig(candidates=6))
    whole = list(drawing.files())
    monkeypatch.setattr("lexipix.inference.generate.IN_MEMORY", 4)
    blocks = list(drawing.files())
    rows = list(dict(whole)["generated.jsonl"])
    assert list(dict(blocks)["generated.jsonl"]) == rows
    for (name, image), (other, again) in zip(whole[:6], blocks[:6], strict=True):
        assert name == other and np.array_equal(image, again)
    assert [row["candidate"] for row in rows] == choose(drawer, scorer, candidates=6).places.tolist()


def test_the_parameters_effort_holds_where_nothing_else_is_wished():
    parameters = GenerationParameters(candidates=4, until="score=0.8")
    assert BestOfConfig.wished(parameters) == BestOfConfig(4, 0.8)
    assert BestOfConfig.wished(parameters, candidates=2, until="score=0.5") == BestOfConfig(2, 0.5)
    assert BestOfConfig.wished(GenerationParameters()) == BestOfConfig(1, None)
    with pytest.raises(LexipixError, match=r"leave out --no-score, or draw one"):
        BestOfConfig.wished(parameters, score=False)

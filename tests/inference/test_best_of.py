import numpy as np
import pytest
from tests.support.exported_models import draw_one

from lexipix.inference.best_of import best_of
from lexipix.inference.image_request import ImageOptions
from lexipix.inference.onnx_generator import sample_noise
from lexipix.inference.result_files import result_files
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.utils.errors import LexipixError

PROMPTS = ["a big red circle at the left on white", "a small blue star at the top on black"]
TEXTS, INDICES = [PROMPTS[0]] * 3 + [PROMPTS[1]] * 3, np.array([0, 1, 2] * 2)


def choose(generator, scorer, texts=TEXTS, indices=INDICES, **config):
    return best_of(generator, scorer, texts, indices, 7, **config)


@pytest.fixture
def everything(generator, scorer):
    """Scores and pictures of eight candidates of each, one by one: (6, 8) and (6, 8, S, S, 3)."""
    images = np.stack(
        [
            [
                generator.generate([text], sample_noise(7, index, generator.noise_dim, number))[0]
                for number in range(8)
            ]
            for text, index in zip(TEXTS, INDICES, strict=True)
        ]
    )
    scores = [
        [float(scorer.embed_images(image[None])[0] @ scorer.embed_texts([text])[0]) for image in row]
        for row, text in zip(images, TEXTS, strict=True)
    ]
    return np.array(scores), images


def test_the_best_of_all_candidates_is_kept(generator, scorer, everything):
    scores, images = everything
    for candidates in (1, 2, 5, 8):
        found = choose(generator, scorer, candidates=candidates)
        best = scores[:, :candidates].argmax(1)
        assert found.chosen.tolist() == best.tolist()
        assert np.array_equal(found.images, images[np.arange(6), best])
        assert found.scores == pytest.approx(scores[np.arange(6), best])
        assert found.drawn.tolist() == [candidates] * 6
    assert len(set(best)) > 1


def test_the_first_candidate_is_what_is_drawn_without_others(generator, scorer):
    alone = choose(generator, None)
    assert np.array_equal(alone.images, choose(generator, scorer).images)
    for image, text, index in zip(alone.images, TEXTS, INDICES, strict=True):
        assert np.array_equal(image, draw_one(generator, text, 7, int(index)))
    assert np.isnan(alone.scores).all() and (alone.drawn == 1).all()


def test_the_first_that_is_good_enough_ends_the_search(generator, scorer, everything):
    scores, images = everything
    until = float(np.median(scores.max(1)))
    found = choose(generator, scorer, candidates=8, until=until)
    for row in range(6):
        enough = np.flatnonzero(scores[row] >= until)
        place = enough[0] if len(enough) else scores[row].argmax()
        assert found.chosen[row] == place
        assert np.array_equal(found.images[row], images[row, place])
        assert found.drawn[row] == (place + 1 if len(enough) else 8)
    assert 8 in found.drawn and found.drawn.min() < 8


@pytest.mark.parametrize("config", [{"candidates": 7}, {"candidates": 7, "until": 0.2}])
def test_a_choice_depends_on_its_own_prompt_and_index_alone(generator, scorer, config):
    whole = choose(generator, scorer, **config)
    alone = [
        choose(generator, scorer, TEXTS[row : row + 1], INDICES[row : row + 1], **config) for row in range(6)
    ]
    for row, one in enumerate(alone):
        assert np.array_equal(whole.images[row], one.images[0])
        assert (whole.chosen[row], whole.drawn[row]) == (one.chosen[0], one.drawn[0])


def test_few_candidates_are_in_memory_at_a_time(generator, scorer, monkeypatch):
    monkeypatch.setattr("lexipix.inference.image_request.MAX_IN_MEMORY", 12)
    asked, whole = [], generator.generate
    monkeypatch.setattr(generator, "generate", lambda *args: asked.append(len(args[0])) or whole(*args))
    pipe = TextToImagePipeline.from_generator("vae", generator, lambda: scorer)
    for candidates in (5, 13):
        list(pipe.request(PROMPTS, ImageOptions(3, 7, candidates=candidates)).batches())
    assert asked == [10] * 3 + [13] * 6


def test_a_stream_of_blocks_has_the_same_choices(generator, scorer, monkeypatch):
    pipe = TextToImagePipeline.from_generator("vae", generator, lambda: scorer)
    request = pipe.request(PROMPTS, ImageOptions(3, 7, candidates=6))
    whole = list(result_files(request))
    monkeypatch.setattr("lexipix.inference.image_request.MAX_IN_MEMORY", 4)
    blocks = list(result_files(request))
    rows = list(dict(whole)["generated.jsonl"])
    assert list(dict(blocks)["generated.jsonl"]) == rows
    for (name, image), (other, again) in zip(whole[:6], blocks[:6], strict=True):
        assert name == other and np.array_equal(image, again)
    assert [row["candidate"] for row in rows] == choose(generator, scorer, candidates=6).chosen.tolist()


def test_the_target_of_the_options_ends_the_search(generator, scorer):
    pipe = TextToImagePipeline.from_generator("vae", generator, lambda: scorer)
    (batch,) = pipe.request(PROMPTS, ImageOptions(3, 7, candidates=6, until="score=-1")).batches()
    assert batch.drawn.tolist() == [1] * 6


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"candidates": 4, "score": False}, "remove --no-score, or draw one"),
        ({"candidates": 4, "until": "ssim=0.6"}, "needs an image to compare with"),
        ({"candidates": 4, "until": "0.9"}, "is unknown: write ssim=0.6"),
        ({"candidates": 0}, "it must be 1 or more"),
    ],
)
def test_options_that_make_no_sense_are_errors(options, said):
    with pytest.raises(LexipixError, match=said):
        ImageOptions(**options)

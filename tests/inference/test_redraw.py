import json

import numpy as np
import pytest
from tests.support.exported_models import draw_one
from tests.support.parameters import section

from lexipix.inference.redraw import redraw
from lexipix.inference.targets import Target, parse_target
from lexipix.metrics.images import psnr, ssim
from lexipix.utils.errors import LexipixError

TEXT = "a big red circle at the left on white"


@pytest.fixture
def picture(generator):
    return draw_one(generator, TEXT, seed=99, index=0)


@pytest.fixture
def loop(generator, other_generator, captioner, scorer, picture):
    """Runs the loop and counts how often the captioner was asked for."""
    asked = []

    def ask():
        asked.append(1)
        return captioner

    def run(text=None, seed=7, both=False, **parameters):
        generators = {"vae": lambda: generator, **({"gan": lambda: other_generator} if both else {})}
        return redraw(
            picture, text, "given", generators, ask, scorer, section("generation.redraw", parameters), seed
        )

    run.asked = asked
    return run


def test_a_given_text_is_used_and_the_captioner_left_alone(loop, picture):
    result = loop(TEXT)
    assert not loop.asked
    assert result.text_source == "given"
    assert len(result.attempts) == len(result.images) == 8
    assert {one.text for one in result.attempts} == {TEXT}
    assert [one.round for one in result.attempts] == [1] * 4 + [2] * 4
    assert len({image.tobytes() for image in result.images}) == 8
    for one, image in zip(result.attempts, result.images, strict=True):
        assert one.ssim == pytest.approx(ssim(image[None], picture[None])[0])
        assert one.psnr == pytest.approx(psnr(image[None], picture[None])[0])
        assert one.score == pytest.approx((one.image_score + one.text_score) / 2)
    assert result.best == int(np.argmax([one.score for one in result.attempts]))


def test_a_picture_without_text_is_described_anew_in_later_rounds(loop):
    result = loop(None, budget=10, round_size=2, temperature=2.0)
    assert result.text_source == "captioner" and loop.asked == [1]
    assert result.attempts[0].text == TEXT  # the first words are the most probable ones
    assert len({one.text for one in result.attempts}) > 1
    assert all(a.text == b.text for a, b in zip(result.attempts[::2], result.attempts[1::2], strict=True))


def test_generators_take_turns_before_the_words_change(loop, generator, other_generator):
    result = loop(None, both=True, budget=12, round_size=2, temperature=2.0)
    assert [one.model for one in result.attempts] == ["vae", "vae", "gan", "gan"] * 3
    assert [one.text == TEXT for one in result.attempts[:4]] == [True] * 4
    assert len({one.text for one in result.attempts}) > 1
    assert np.array_equal(result.images[1], draw_one(generator, TEXT, 7, 1))
    assert np.array_equal(result.images[2], draw_one(other_generator, TEXT, 7, 2))


def test_a_generator_whose_turn_never_comes_is_not_loaded(generator, captioner, scorer, picture):
    def never():
        raise AssertionError

    generators = {"vae": lambda: generator, "gan": never}
    parameters = section("generation.redraw", {"budget": 3})
    assert (
        len(redraw(picture, TEXT, "given", generators, lambda: captioner, scorer, parameters, 7).attempts)
        == 3
    )


def test_without_temperature_there_is_one_description(loop):
    assert {one.text for one in loop(None, temperature=0.0).attempts} == {TEXT}


def test_it_ends_with_the_first_try_that_is_good_enough(loop):
    everything = loop(TEXT)
    values = [one.ssim for one in everything.attempts]
    second = sorted(values)[-2]
    result = loop(TEXT, until=f"ssim={second - 1e-6:.8f}")
    first = next(i for i, value in enumerate(values) if value >= second - 1e-6)
    assert result.reached and result.target == Target("ssim", pytest.approx(second - 1e-6))
    assert len(result.attempts) == first + 1 and result.best == first


def test_a_target_out_of_reach_costs_the_budget_and_gives_the_nearest(loop):
    result = loop(TEXT, until="psnr=99", budget=5)
    assert not result.reached and len(result.attempts) == 5
    assert result.best == int(np.argmax([one.psnr for one in result.attempts]))


def test_same_seed_same_trail(loop):
    one, other = loop(None, temperature=1.0), loop(None, temperature=1.0)
    assert one.trail() == other.trail()
    assert np.array_equal(one.images, other.images)


def test_results_are_a_picture_a_sheet_and_the_trail(loop, picture):
    result = loop(TEXT, until="score=0.99", budget=3)
    files = result.files()
    assert set(files) == {"best.png", "sheet.png", "trail.json"}
    assert np.array_equal(files["best.png"], result.images[result.best])
    trail = json.loads(json.dumps(files["trail.json"]))
    assert trail["model"] == "vae" and trail["target"] == "score=0.99" and trail["reached"] is False
    assert trail["best"] == result.best + 1 and [one["number"] for one in trail["attempts"]] == [1, 2, 3]
    assert files["sheet.png"].shape[1] > 4 * 128


def test_without_a_target_nothing_is_reached(loop):
    trail = loop(TEXT, budget=1).trail()
    assert trail["target"] is None and trail["reached"] is None


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("ssim=0.6", Target("ssim", 0.6)),
        (" psnr = 20 ", Target("psnr", 20)),
        ("score=-0.1", Target("score", -0.1)),
    ],
)
def test_target_is_read(text, target):
    assert parse_target(text) == target
    assert parse_target(str(target)) == target


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("ssim", "is unknown"),
        ("ssim=", "is unknown"),
        ("mse=3", "is unknown"),
        ("ssim=high", "is unknown"),
        ("ssim>0.5", "is unknown"),
        ("ssim=nan", "out of range"),
        ("ssim=1.5", "ssim lies between -1 and 1"),
        ("psnr=-3", "psnr lies between 0 and 100"),
    ],
)
def test_wrong_target_is_told(text, told):
    with pytest.raises(LexipixError, match=told):
        parse_target(text)

import json

import numpy as np
import pytest

from lexipix.config.generation import RedrawParameters
from lexipix.inference.redraw import redraw
from lexipix.inference.targets import Target, parse_target
from lexipix.metrics.images import psnr, ssim
from lexipix.utils.errors import LexipixError

TEXT = "a big red circle at the left on white"


@pytest.fixture
def picture(drawer):
    return drawer.draw_one(TEXT, seed=99, index=0)


@pytest.fixture
def loop(drawer, other_drawer, describer, scorer, picture):
    """Runs the loop and counts how often the captioner was asked for."""
    asked = []

    def ask():
        asked.append(1)
        return describer

    def run(text=None, seed=7, both=False, **parameters):
        drawers = {"vae": lambda: drawer, **({"gan": lambda: other_drawer} if both else {})}
        return redraw(picture, text, "given", drawers, ask, scorer, RedrawParameters(**parameters), seed)

    run.asked = asked
    return run


def test_a_given_text_is_used_and_the_captioner_left_alone(loop, picture):
    result = loop(TEXT)
    assert not loop.asked
    assert result.text_source == "given"
    assert len(result.tries) == len(result.images) == 8
    assert {one.text for one in result.tries} == {TEXT}
    assert [one.round for one in result.tries] == [1] * 4 + [2] * 4
    assert len({image.tobytes() for image in result.images}) == 8
    for one, image in zip(result.tries, result.images, strict=True):
        assert one.ssim == pytest.approx(ssim(image[None], picture[None])[0])
        assert one.psnr == pytest.approx(psnr(image[None], picture[None])[0])
        assert one.score == pytest.approx((one.picture_score + one.text_score) / 2)
    assert result.best == int(np.argmax([one.score for one in result.tries]))


def test_a_picture_without_text_is_described_anew_in_later_rounds(loop):
    result = loop(None, budget=10, round_size=2, temperature=2.0)
    assert result.text_source == "captioner" and loop.asked == [1]
    assert result.tries[0].text == TEXT  # the first words are the most probable ones
    assert len({one.text for one in result.tries}) > 1
    assert all(a.text == b.text for a, b in zip(result.tries[::2], result.tries[1::2], strict=True))


def test_generators_take_turns_before_the_words_change(loop, drawer, other_drawer):
    result = loop(None, both=True, budget=12, round_size=2, temperature=2.0)
    assert [one.model for one in result.tries] == ["vae", "vae", "gan", "gan"] * 3
    assert [one.text == TEXT for one in result.tries[:4]] == [True] * 4
    assert len({one.text for one in result.tries}) > 1
    assert np.array_equal(result.images[1], drawer.draw_one(TEXT, 7, 1))
    assert np.array_equal(result.images[2], other_drawer.draw_one(TEXT, 7, 2))


def test_a_generator_whose_turn_never_comes_is_not_loaded(drawer, describer, scorer, picture):
    def never():
        raise AssertionError

    drawers = {"vae": lambda: drawer, "gan": never}
    parameters = RedrawParameters(budget=3)
    assert len(redraw(picture, TEXT, "given", drawers, lambda: describer, scorer, parameters, 7).tries) == 3


def test_without_temperature_there_is_one_description(loop):
    assert {one.text for one in loop(None, temperature=0.0).tries} == {TEXT}


def test_it_ends_with_the_first_try_that_is_good_enough(loop):
    everything = loop(TEXT)
    values = [one.ssim for one in everything.tries]
    second = sorted(values)[-2]
    result = loop(TEXT, until=f"ssim={second - 1e-6:.8f}")
    first = next(i for i, value in enumerate(values) if value >= second - 1e-6)
    assert result.reached and result.target == Target("ssim", pytest.approx(second - 1e-6))
    assert len(result.tries) == first + 1 and result.best == first


def test_a_target_out_of_reach_costs_the_budget_and_gives_the_nearest(loop):
    result = loop(TEXT, until="psnr=99", budget=5)
    assert not result.reached and len(result.tries) == 5
    assert result.best == int(np.argmax([one.psnr for one in result.tries]))


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
    assert trail["best"] == result.best + 1 and [one["number"] for one in trail["tries"]] == [1, 2, 3]
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
        ("ssim", "not understood"),
        ("ssim=", "not understood"),
        ("mse=3", "not understood"),
        ("ssim=high", "not understood"),
        ("ssim>0.5", "not understood"),
        ("ssim=nan", "out of range"),
        ("ssim=1.5", "ssim lies between -1 and 1"),
        ("psnr=-3", "psnr lies between 0 and 100"),
    ],
)
def test_wrong_target_is_told(text, told):
    with pytest.raises(LexipixError, match=told):
        parse_target(text)

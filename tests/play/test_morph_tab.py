"""The tab Morph in a real browser."""

import io

import numpy as np
import pytest
from PIL import Image

from lexipix import TextToImagePipeline

POSITIONS = """() => new Promise((done) => {
  const strip = document.querySelector(".morph .strip"), seen = new Set();
  new MutationObserver(() => seen.add(strip.style.backgroundPositionX)).observe(strip, { attributes: true });
  setTimeout(() => done(seen.size), 1000);
})"""


@pytest.fixture
def morph(page, tab):
    tab("Morph")
    player = page.locator(".morph")
    player.wait_for()
    return player


@pytest.fixture
def frames(play_project):
    """Those of the Python API."""
    pipe = TextToImagePipeline.from_pretrained(play_project / "data/06_models/champion")
    return lambda start, end: pipe.interpolate(start, end, 61, seed=7)


def test_the_slider_shows_the_frames(page, morph):
    slider, strip = morph.get_by_role("slider"), morph.locator(".strip")
    assert slider.get_attribute("max") == "60"
    slider.fill("30")
    assert strip.evaluate("strip => strip.style.backgroundPositionX") == "50%"
    slider.press("ArrowRight")
    assert float(strip.evaluate("strip => parseFloat(strip.style.backgroundPositionX)")) == pytest.approx(
        51.667, abs=0.01
    )


def test_it_plays_thirty_frames_a_second(page, morph):
    morph.get_by_role("button", name="Play").click()
    assert 15 <= page.evaluate(POSITIONS) <= 32
    morph.get_by_role("button", name="Pause").click()
    assert page.evaluate(POSITIONS) == 0


def test_files_hold_the_frames_of_the_python_api(page, morph, frames):
    start, end = (page.get_by_role("textbox", name=name, exact=True).input_value() for name in ("From", "To"))
    expected = frames(start, end)
    files = {}
    for name in ("GIF 16", "GIF 256", "WebP 16", "WebP 256", "sprite sheet 16"):
        with page.expect_download() as saved:
            page.get_by_role("link", name=name, exact=True).click()
        files[name] = Image.open(io.BytesIO(saved.value.path().read_bytes()))
    assert {name: file.size for name, file in files.items()} == {
        "GIF 16": (16, 16), "GIF 256": (256, 256), "WebP 16": (16, 16), "WebP 256": (256, 256),
        "sprite sheet 16": (8 * 16, 8 * 16),
    }  # fmt: skip
    assert files["GIF 256"].n_frames == files["WebP 16"].n_frames == 61
    files["WebP 16"].seek(60)
    assert np.array_equal(np.asarray(files["WebP 16"].convert("RGB")), expected[60])
    sheet = np.asarray(files["sprite sheet 16"])
    assert np.array_equal(sheet[16:32, 32:48], expected[10])


def test_typing_changes_the_frames_and_keeps_the_place(page, morph):
    morph.get_by_role("slider").fill("45")
    before = page.locator(".morph .strip").get_attribute("style")
    page.get_by_role("textbox", name="To", exact=True).fill("a big green ring at the center on white")
    page.wait_for_function(
        "([before]) => document.querySelector('.morph .strip').getAttribute('style').slice(0, -40)"
        " !== before.slice(0, -40)",
        arg=[before],
    )
    assert page.locator(".morph").get_by_role("slider").input_value() == "45"

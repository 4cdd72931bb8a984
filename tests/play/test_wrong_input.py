"""Wrong input in a real browser: a sentence on the page, and the next input works."""

import urllib.error
import urllib.request

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ("", "The prompt is empty: name what to draw"),
        ("   ", "The prompt is empty: name what to draw"),
        ("red " * 30, "is too long: it has 30 tokens"),
        ("x" * 1001, "has 1,001 characters, more than 1,000: shorten it."),
        ("?!", "has no words"),
        ("<img src=x onerror=alert(1)>", "never saw any word"),
    ],
)
def test_prompts(page, prompt, sentence):
    box = page.get_by_label("Prompt")
    box.fill(prompt)
    page.locator("#drawn [role=alert]").filter(has_text=sentence).wait_for()
    box.fill("a big red circle at the left on white")
    page.locator("#drawn img").first.wait_for()


def test_a_seed_out_of_range(page):
    page.get_by_label("Seed").first.fill("-1")
    page.locator("#drawn [role=alert]").filter(
        has_text="The seed must be a whole number from 0 to"
    ).wait_for()


@pytest.fixture
def wrong(tmp_path):
    """Files that are no picture to use, and what the page says of them."""
    Image.new("RGB", (10_000, 10_000), "red").save(tmp_path / "huge.png")
    (tmp_path / "notes.png").write_text("no picture")
    (tmp_path / "empty.png").touch()
    (tmp_path / "large.png").write_bytes(np.random.default_rng(0).bytes(8_100_000))
    return {
        "huge.png": "huge.png cannot be used as an image: too large: 10000x10000 pixels are more than",
        "notes.png": "notes.png cannot be used as an image: not an image",
        "empty.png": "empty.png cannot be used as an image: empty file",
        "large.png": "large.png has more than 8 MB: choose a smaller file.",
    }


@pytest.mark.parametrize(("name", "output"), [("Describe", "#described"), ("Redraw", "#redrawn")])
def test_pictures(page, tab, give, wrong, tmp_path, name, output):
    tab(name)
    for file, sentence in wrong.items():
        give(tmp_path / file)
        page.locator(f"{output} [role=alert]").filter(has_text=sentence).wait_for()
        page.get_by_label("Clear").locator("visible=true").click()
    give("star.png")
    page.locator(f"{output} img").first.wait_for()


def test_no_picture_at_all(page, tab):
    tab("Redraw")
    page.get_by_role("button", name="Draw it again").click()
    page.locator("#redrawn [role=alert]").filter(has_text="There is no picture yet").wait_for()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("picture.png?models=base&prompt=a+red+star&count=17&seed=7&quality=fast&best_of=1&index=0&scale=1",
         "The number of pictures must be a whole number from 1 to 16."),
        ("picture.png?models=base&prompt=a+red+star&count=1&seed=7&quality=fast&best_of=1&index=0&scale=65",
         "The enlargement must be a whole number from 1 to 64."),
        ("picture.png?models=base&prompt=a+red+star&count=1&seed=x&quality=fast&best_of=1&index=0&scale=1",
         "The seed must be a whole number from 0 to 2,147,483,647."),
        ("picture.png?models=../x&prompt=a+red+star&count=1&seed=7&quality=fast&best_of=1&index=0&scale=1",
         "There are no models '../x': choose from base, smoke"),
        ("picture.png?models=base&prompt=a+red+star&count=1&seed=7&quality=good&best_of=1&index=0&scale=1",
         'quality is "good": choose from fast, balanced, best.'),
        ("morph.gif?models=base&start=a+red+star&end=&frames=2&seed=7&quality=fast&scale=1",
         "Prompt 2: The prompt is empty"),
        ("morph.webp?models=base&start=a+star&end=a+ring&frames=122&seed=7&quality=fast&scale=1",
         "The number of frames must be a whole number from 2 to 121."),
        ("morph.png?models=base&start=a+star&end=a+ring&frames=121&seed=7&quality=fast&scale=64",
         "The file has more than 30,000,000 pixels"),
    ],
)  # fmt: skip
def test_links_that_somebody_changed(address, path, sentence):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(address + path, timeout=30)
    assert refused.value.code == 400
    assert sentence in refused.value.read().decode()


def test_another_host_name_is_refused(address):
    request = urllib.request.Request(address, headers={"Host": "attacker.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 400

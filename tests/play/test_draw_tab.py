"""The tab Draw in a real browser."""

import io
import re
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image

from lexipix import TextToImagePipeline

TEXT = "a small blue star at the top on black"


@pytest.fixture
def drawn(page):
    """The addresses of the pictures, which hold the pictures themselves."""
    return lambda: page.locator("#drawn img").evaluate_all("images => images.map(image => image.src)")


def type_prompt(page, text, drawn):
    """Replace the prompt key by key and wait for other pictures."""
    before, box = drawn(), page.get_by_label("Prompt")
    box.fill("")
    box.press_sequentially(text)
    page.wait_for_function(
        "([text]) => document.querySelector('#drawn img')?.alt.startsWith(text)", arg=[f"{text}, picture"]
    )
    assert drawn() != before


def test_pictures_appear_while_the_prompt_is_typed(page, drawn):
    assert len(drawn()) == 4
    type_prompt(page, TEXT, drawn)
    told = page.locator("#drawn [role=status]").inner_text()
    assert re.fullmatch(r"gan: \d+\.\d ms for each picture, \d+ ms in all", told)


def test_saved_pictures_are_those_of_the_python_api(page, drawn, play_project):
    type_prompt(page, TEXT, drawn)
    expected = TextToImagePipeline.from_pretrained(play_project / "data/06_models/champion")(TEXT, 4, 7)
    for name, size in (("PNG 16", 16), ("PNG 512", 512)):
        with page.expect_download() as saved:
            page.get_by_role("link", name=name).nth(2).click()
        image = np.asarray(Image.open(io.BytesIO(saved.value.path().read_bytes())))
        assert image.shape[:2] == (size, size)
        assert (image[:: size // 16, :: size // 16] == expected.pixels[2]).all()


def test_count_seed_quality_and_best_of_change_the_pictures(page, drawn):
    for change in (
        lambda: page.get_by_role("radio", name="9").check(),
        lambda: page.get_by_role("button", name="Another seed").click(),
        lambda: page.get_by_role("radio", name="fast").check(),
        lambda: page.get_by_label("number input for Best of").fill("3"),
    ):
        before = drawn()
        change()
        page.wait_for_function(
            "before => { const images = [...document.querySelectorAll('#drawn img')].map(one => one.src);"
            " return images.length && images.join() !== before; }",
            arg=",".join(before),
        )
    assert len(drawn()) == 9
    assert page.locator("#drawn figcaption span").first.inner_text().startswith("score ")


def test_unknown_words_are_marked_and_a_click_takes_the_nearest(page, drawn):
    page.get_by_label("Prompt").fill("a big red circel at the left on white")
    assert page.locator("mark").inner_text() == "circel"
    page.get_by_role("button", name="circle", exact=True).click()
    page.locator("mark").wait_for(state="detached")
    assert page.get_by_label("Prompt").input_value() == "a big red circle at the left on white"


def test_a_suggestion_becomes_the_prompt(page, drawn):
    page.get_by_role("group", name="Captions to try").get_by_role("button").first.click()
    prompt = page.get_by_label("Prompt").input_value()
    page.wait_for_function("text => document.querySelector('#drawn img').alt.startsWith(text)", arg=prompt)


def test_a_link_names_everything_about_its_picture(page):
    link = page.get_by_role("link", name="PNG 512").first.get_attribute("href")
    query = parse_qs(urlsplit(link).query)
    assert {key: values[0] for key, values in query.items()} == {
        "models": "base", "prompt": page.get_by_label("Prompt").input_value(), "count": "4", "seed": "7",
        "quality": "balanced", "best_of": "1", "index": "0", "scale": "32",
    }  # fmt: skip

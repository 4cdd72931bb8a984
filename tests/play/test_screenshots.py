"""Every tab as the documentation shows it.

``LEXIPIX_SCREENSHOTS=docs/images`` refreshes the screenshots, if ``LEXIPIX_PLAY`` is a project with a whole
run of the environment ``LEXIPIX_ENV``; else the models are toys.
"""

import os
import sys
from pathlib import Path

import pytest
from tests.support.project import REPOSITORY, environment_without_settings
from tests.support.servers import free_port, running_server

PROJECT, ENV = os.environ.get("LEXIPIX_PLAY"), os.environ.get("LEXIPIX_ENV", "smoke")


@pytest.fixture(scope="module")
def address(request, tmp_path_factory):
    """The address of the page of a real project, or of the toys."""
    if not PROJECT:
        yield request.getfixturevalue("toy_address")
        return
    port = free_port()
    own = environment_without_settings() | {"PYTHONPATH": str(REPOSITORY / "src")}
    command = [sys.executable, "-m", "lexipix", "play", "--env", ENV, "--port", str(port)]
    with running_server(command, f"http://127.0.0.1:{port}/", Path(PROJECT), own):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def drawn_picture(page, tmp_path):
    """A picture that the models have drawn."""
    with page.expect_download() as saved:
        page.get_by_role("link", name="PNG 512").first.click()
    saved.value.save_as(tmp_path / "drawn.png")
    return tmp_path / "drawn.png"


def test_draw(page, keep):
    page.locator("#drawn img").nth(3).wait_for()
    keep("play-draw", page)


def test_draw_in_the_dark_on_a_phone(visit, keep):
    page = visit(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page.wait_for_timeout(300)
    keep("play-phone", page)


def test_describe(page, tab, give, drawn_picture, keep):
    tab("Describe")
    give(drawn_picture)
    page.locator("#attention img, #attention [role=status]").first.wait_for()
    page.wait_for_timeout(300)
    keep("play-describe", page)


def test_redraw(page, tab, give, drawn_picture, keep):
    tab("Redraw")
    give(drawn_picture)
    page.locator("#redrawn figure.best").wait_for()
    page.wait_for_timeout(300)
    keep("play-redraw", page)


def test_morph(page, tab, keep):
    tab("Morph")
    page.locator(".morph").get_by_role("slider").fill("24")
    keep("play-morph", page)


def test_gallery(page, tab, keep):
    tab("Gallery")
    page.locator("#gallery figure img").first.wait_for()
    page.wait_for_timeout(300)
    keep("play-gallery", page)

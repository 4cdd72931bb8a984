"""The page as a whole: sizes, colors, keyboard, many sessions, and nothing from outside."""

import os
import subprocess
import sys
import time

import pytest
from tests.support.project import REPOSITORY, environment_without_settings

SESSIONS = 16
# How long they go on; LEXIPIX_PLAY_SECONDS=60 for the whole claim
SECONDS = float(os.environ.get("LEXIPIX_PLAY_SECONDS", "4"))
TABS = ("Draw", "Describe", "Redraw", "Morph", "Gallery")
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_tab_fits_its_window_in_light_and_dark(visit, size, scheme):
    page = visit(viewport=SIZES[size], color_scheme=scheme)
    brightness = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)")
    assert (sum(map(int, brightness[:3])) < 200) == (scheme == "dark")
    for name in TABS:
        page.get_by_role("tab", name=name, exact=True).click()
        page.wait_for_timeout(200)
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow <= 0, f"{name} is wider than the window by {overflow} pixels"


def test_the_keyboard_alone_is_enough(page):
    """Type, take a suggestion, choose a count, change the tab, play: with Tab, Enter, Space and End."""

    def reach(condition):
        for _ in range(60):
            if page.evaluate(f"(() => {{ const one = document.activeElement; return {condition}; }})()"):
                return
            page.keyboard.press("Tab")
        pytest.fail(f"Tab does not reach {condition}")

    page.locator("h1").click()
    reach("one.closest('#prompt') !== null")
    page.keyboard.press("Control+A")
    page.keyboard.type("a small blue star")
    page.locator("#drawn img[alt^='a small blue star']").first.wait_for()
    reach("one.dataset.prompt !== undefined")
    suggestion = page.evaluate("document.activeElement.dataset.prompt")
    page.keyboard.press("Enter")
    page.locator(f"#drawn img[alt^='{suggestion}']").first.wait_for()
    reach("one.type === 'radio' && one.value === '9'")
    page.keyboard.press("Space")
    page.locator("#drawn img").nth(8).wait_for()
    page.locator("h1").click()
    reach("one.role === 'tab' && one.textContent.trim() === 'Morph'")
    page.keyboard.press("Enter")
    reach("one.dataset.play !== undefined")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Pause").wait_for()
    reach("one.type === 'range' && one.closest('.morph') !== null")
    page.keyboard.press("End")
    assert page.locator(".morph").get_by_role("slider").input_value() == "60"


def test_sixteen_sessions_at_once(visit):
    pages = [visit() for _ in range(SESSIONS)]
    answers: list[int] = []
    for page in pages:
        page.on("response", lambda response: answers.append(response.status))
    until, rounds = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        text = f"a big red circle at the left on white {rounds}"
        for page in pages:
            page.get_by_label("Prompt").fill(text)
        for page in pages:
            page.locator(f"#drawn img[alt^='{text}']").first.wait_for()
        rounds += 1
    assert rounds >= 1 and len(answers) >= rounds * SESSIONS
    assert set(answers) == {200}


def test_a_taken_port_is_told(play_project, address):
    own = environment_without_settings() | {"PYTHONPATH": str(REPOSITORY / "src"), "LEXIPIX_MLFLOW": "0"}
    port = address.rstrip("/").rpartition(":")[2]
    command = [sys.executable, "-m", "lexipix", "play", "--port", port]
    answer = subprocess.run(command, cwd=play_project, env=own, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert f"Error: Port {port} cannot be used" in answer.stderr and "Traceback" not in answer.stderr

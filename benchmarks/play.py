"""The page of `kedro play` in Chromium: milliseconds from the last key to new pixels.

    python benchmarks/play.py [--env ENV] [--keys 40]

Starts `kedro play` and opens its page in headless Chromium. Types a prompt of the parameters key by key, then
presses one key after the other, each after the pictures of the last one. The time of a key runs, in the page
itself, from its keydown event to the frame after the one in which all four new pictures are decoded: that
frame shows them. Server and browser share the cores.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import re
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from playwright.sync_api import Page, TimeoutError, sync_playwright
from record import REPOSITORY

from lexipix.cli.project_context import ProjectContext

BAR_MS, PICTURES, PAUSE_MS = 150, 4, 200
WAIT_MS = 5000  # for the pictures of a key; one that only changes words the model ignores has no new ones
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
WATCH = """() => {
  window.times = [];
  window.keys = 0;
  document.addEventListener("keydown", () => { window.pressed = performance.now(); window.keys += 1; }, true);
  let before = "";
  const shown = async () => {
    const { pressed, keys } = window;
    const images = [...document.querySelectorAll("#drawn img")];
    const drawn = images.map((image) => image.src).join();
    if (drawn === before) return;
    before = drawn;
    await Promise.all(images.map((image) => image.decode()));
    requestAnimationFrame(() => requestAnimationFrame(() => {
      window.times.push([keys, performance.now() - pressed, images.length]);
    }));
  };
  new MutationObserver(shown).observe(document.querySelector("#drawn"), { childList: true, subtree: true });
}"""


def main() -> None:
    """Print the percentiles."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of the models [default: base]")
    parser.add_argument("--keys", type=int, default=40)
    arguments = parser.parse_args()
    prompt = ProjectContext(REPOSITORY, arguments.env).parameters.generation.prompts[0]
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    with playing(arguments.env) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.goto(address)
        page.locator("#drawn img").first.wait_for()
        times = sorted(measure(page, prompt, arguments.keys))
        browser.close()
    if not times:
        raise SystemExit(
            f"No key of {arguments.keys} had {PICTURES} new pictures within {WAIT_MS / 1000:g} s."
        )
    p90 = times[int(0.9 * len(times))]
    within = sum(time <= BAR_MS for time in times)
    print(
        f"{arguments.keys} keys, {len(times)} of them with {PICTURES} new pictures: "
        f"p50 {statistics.median(times):.0f} ms, p90 {p90:.0f} ms, max {times[-1]:.0f} ms; "
        f"{within} within {BAR_MS} ms"
    )


def measure(page: Page, prompt: str, n_keys: int) -> list[float]:
    """Milliseconds from each key to new pixels; a key that changes no picture within a time has none."""
    box = page.get_by_label("Prompt")
    box.fill("")
    box.press_sequentially(prompt)
    page.wait_for_timeout(1000)
    page.evaluate(WATCH)
    for number in range(n_keys):
        box.press("Backspace" if number % 2 else "abcdefghijklmnopqrstuvwxyz"[number // 2 % 26])
        with suppress(TimeoutError):
            page.wait_for_function(f"window.times.some(([key]) => key === {number + 1})", timeout=WAIT_MS)
        page.wait_for_timeout(PAUSE_MS)
    firsts = {key: (time, shown) for key, time, shown in reversed(page.evaluate("window.times"))}
    return [time for time, shown in firsts.values() if shown == PICTURES]


@contextmanager
def playing(env: str | None) -> Iterator[str]:
    """The address of a page that `kedro play` serves."""
    command = [sys.executable, "-m", "lexipix", "play", "--port", "0", *(["--env", env] if env else [])]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            found = (re.search(r"http://\S+", line) for line in server.stdout)
            yield next(match.group() for match in found if match)
        finally:
            server.terminate()


if __name__ == "__main__":
    main()

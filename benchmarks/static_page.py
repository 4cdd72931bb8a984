"""The page of `kedro export-page` in Chromium: frames per second, and seconds until it draws.

    python benchmarks/static_page.py [--env ENV] [--quality fast|balanced|best] [--seconds 5]

Exports the page, serves it with Python's http.server, and opens it in headless Chromium. A frame is new
pictures of one prompt with the next seed, drawn and put onto the page; ONNX Runtime uses one thread.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Page, sync_playwright
from record import REPOSITORY

from play import BROWSERS

COUNTS = (1, 4, 16)  # pictures in a frame
# Changes the seed as a user does, whenever the pictures of the last change are on the page
FRAMES = """async (seconds) => {
  const [seed, drawn] = [document.getElementById("seed"), document.getElementById("drawn")];
  const start = performance.now();
  let frames = 0;
  while (performance.now() < start + 1000 * seconds) {
    seed.value = ++frames;
    seed.dispatchEvent(new Event("input"));
    while (drawn.querySelector("canvas")?.seed !== frames) await new Promise(requestAnimationFrame);
  }
  return frames / ((performance.now() - start) / 1000);
}"""


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", default="base", help="environment of the models [default: base]")
    parser.add_argument("--quality", default="balanced")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each number of pictures")
    arguments = parser.parse_args()
    chromium = next(filter(None, map(shutil.which, BROWSERS)), None)
    with TemporaryDirectory() as place, sync_playwright() as playwright:
        folder = Path(place) / "page"
        command = [
            "export-page",
            "--env",
            arguments.env,
            "--quality",
            arguments.quality,
            "--out",
            str(folder),
        ]
        subprocess.run([sys.executable, "-m", "lexipix", *command], cwd=REPOSITORY, check=True)
        n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        with serving(folder) as address:
            browser = playwright.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_page()
            start = time.perf_counter()
            page.goto(address)
            page.locator("#drawn canvas").first.wait_for()
            print(f"{n_bytes / 1e6:.1f} MB, first pictures after {time.perf_counter() - start:.1f} s")
            for count in COUNTS:
                rate = measure(page, count, arguments.seconds)
                told = page.get_by_role("status").inner_text()
                print(f"{count} pictures: {rate:.1f} frames per second; the last one: {told}")
            browser.close()


def measure(page: Page, count: int, seconds: float) -> float:
    """Frames per second with so many pictures in a frame."""
    page.get_by_label("Pictures").select_option(str(count))
    page.locator("#drawn canvas").nth(count - 1).wait_for()
    page.evaluate(FRAMES, 1.0)
    rate: float = page.evaluate(FRAMES, seconds)
    return rate


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """The address of a folder that Python's http.server offers."""
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "--bind",
        "127.0.0.1",
        "--directory",
        str(folder),
        "0",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            match = re.search(r"http://\S+?/", server.stdout.readline())
            assert match is not None
            yield match.group()
        finally:
            server.terminate()


if __name__ == "__main__":
    main()

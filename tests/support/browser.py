"""A real browser for the tests of pages."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NO_CHROMIUM = "there is no Chromium here (apt install chromium)"
# Nothing of the browser's own leaves the machine; root, as in a container, has no sandbox
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
SECONDS = 30  # a busy machine may take for a page


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser; what is expected on a page may take :data:`SECONDS`."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=SECONDS * 1000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def visitors(browser: Any, shown: str, allowed: tuple[str, ...]) -> Iterator[Callable[..., Any]]:
    """What opens an address as a new visitor, and waits until the selector ``shown`` is on the page.

    Afterwards no script has failed, and every address that was asked for begins with one of ``allowed``.
    """
    requests: list[str] = []
    wrong: list[str] = []
    with ExitStack() as contexts:

        def visit(address: str, **options: Any) -> Any:
            context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
            contexts.callback(context.close)
            context.set_default_timeout(SECONDS * 1000)
            page = context.new_page()
            page.on("pageerror", lambda error: wrong.append(str(error)))
            page.on("console", lambda line: wrong.append(line.text) if line.type == "error" else None)
            page.on("request", lambda request: requests.append(request.url))
            page.goto(address)
            page.locator(shown).first.wait_for()
            return page

        yield visit
    assert requests and [one for one in requests if not one.startswith(allowed)] == []
    assert wrong == []


def screenshots(otherwise: Path) -> Callable[[str, Any], None]:
    """What takes a screenshot into the documentation's folder (``LEXIPIX_SCREENSHOTS``), or another one."""
    folder = Path(os.environ.get("LEXIPIX_SCREENSHOTS") or otherwise)

    def keep(name: str, page: Any) -> None:
        page.mouse.move(0, 0)
        page.screenshot(path=folder / f"{name}.png")

    return keep

"""The tab Gallery, and the choice of models, in a real browser."""

import urllib.request
from urllib.parse import quote

import pytest

VERSION = "lexipix-generator-smoke 1 (champion)"


@pytest.fixture
def choose(page):
    """Choose models by the name that the page shows."""

    def choose(name):
        page.get_by_label("Models").click()
        page.get_by_role("option", name=name, exact=True).click()

    return choose


def test_what_the_run_drew_and_its_report(page, tab):
    tab("Gallery")
    gallery = page.locator("#gallery")
    gallery.get_by_role("img", name="Evaluation").wait_for()
    assert gallery.locator("figure img").evaluate_all("all => all.every(one => one.naturalWidth === 16)")
    page.frame_locator("iframe.report").get_by_role("heading", name="The report of base").wait_for()


def test_environments_and_registered_versions_can_be_switched(page, tab, choose):
    tab("Gallery")
    gallery = page.locator("#gallery")
    gallery.get_by_role("img", name="Evaluation").wait_for()
    choose("smoke")
    gallery.get_by_text("The run has no report yet").wait_for()
    choose(VERSION)
    page.frame_locator("iframe.report").get_by_role("heading", name="The report of a version").wait_for()
    assert "The first." in gallery.inner_text()
    tab("Draw")
    link = page.locator("#drawn a").first
    link.and_(page.locator(f"[href*='{quote(VERSION).replace('%20', '+')[:30]}']")).wait_for()


def test_what_was_not_registered_with_a_version_is_told(page, tab, choose, give):
    choose(VERSION)
    tab("Describe")
    give("star.png")
    page.locator("#described [role=alert]").filter(has_text="No captioner was registered with").wait_for()


def test_a_report_runs_no_script_in_the_pages_name(address):
    with urllib.request.urlopen(f"{address}report.html?models=base", timeout=30) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("sandbox allow-popups; default-src 'none';")

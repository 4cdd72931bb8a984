"""The MLflow UI in a real browser: what a person sees who opens the project's runs.

``LEXIPIX_SCREENSHOTS=docs/images`` refreshes the screenshots of the documentation, if it is set from
``LEXIPIX_STORE=sqlite:///DIR/mlflow.db`` with two whole runs of the environment ``LEXIPIX_ENV``.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pytest
from playwright.sync_api import expect
from tests.support.browser import CHROMIUM, NO_CHROMIUM, SECONDS, screenshots
from tests.support.project import REPOSITORY, copy_project, environment_without_settings, run_kedro
from tests.support.servers import free_port

from lexipix.reporting.report import Gallery, render_report
from lexipix.tracking.tables import log_table

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)

STORE, ENV = os.environ.get("LEXIPIX_STORE"), os.environ.get("LEXIPIX_ENV", "smoke")
EXPERIMENT, MODEL = f"lexipix-{ENV}", f"lexipix-generator-{ENV}"
TRAINING = "workflowType=machine_learning"
# MLflow greets a new browser with a chat panel over a third of the page; a person closes it once
PANEL_CLOSED = """
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
    localStorage.setItem("mlflow.assistant.panelOpen_v1", "false");
"""
SHOWN = "images => images.length > 0 && images.every(image => image.complete && image.naturalWidth > 0)"


@pytest.fixture(scope="module")
def store(request, tmp_path_factory):
    """A store of two runs: the whole chain, and a second VAE with another seed.

    It is a copy, as other tests run what they like in the project's own.
    """
    if STORE:
        return mlflow.MlflowClient(tracking_uri=STORE, registry_uri=STORE)
    smoke = request.getfixturevalue("smoke")
    project = copy_project(tmp_path_factory.mktemp("second"))
    shutil.copytree(smoke.data / "03_primary", project / "data" / "smoke" / "03_primary")
    shutil.copy(smoke.path / "mlflow.db", project / "mlflow.db")
    address = f"sqlite:///{project / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=address, registry_uri=address)
    experiment = client.get_experiment_by_name(EXPERIMENT).experiment_id
    first, *later = client.search_runs([experiment], order_by=["attributes.start_time ASC"])
    assert first.info.run_name == "all@smoke"
    for run in later:
        client.delete_run(run.info.run_id)
    answer = run_kedro(
        project, "run", "--env=smoke", "--pipelines=generator", "--tags=vae", "--params=run.seed=8"
    )
    assert answer.returncode == 0, answer.stderr
    return client


@pytest.fixture(scope="module")
def runs(store):
    """The whole run and the second one."""
    experiment = store.get_experiment_by_name(EXPERIMENT)
    found = store.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    assert len(found) == 2
    return tuple(found)


@pytest.fixture(scope="module")
def ui(store):
    """The address that ``make ui`` names for the experiment, when it serves."""
    port = free_port()
    server = subprocess.Popen(
        # What is installed is what runs this test; `make test` has seen to that
        ["make", "--assume-old=.venv/.lexipix-installed", "ui", f"PORT={port}",
         f"BIN={Path(sys.executable).parent}"],
        cwd=REPOSITORY,
        env=environment_without_settings()
        | {"MLFLOW_TRACKING_URI": store.tracking_uri, "PYTHONPATH": str(REPOSITORY / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )  # fmt: skip
    try:
        assert server.stdout is not None
        told = (line.split() for line in server.stdout)
        address = next((words[-1] for words in told if words[:1] == [f"{EXPERIMENT}:"]), None)
        assert address is not None, "make ui ended without naming the experiment"
        wait_until_healthy(address.partition("#")[0] + "health", server)
        yield address
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate()


def wait_until_healthy(address, server):
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail(f"make ui does not answer at {address}")


@pytest.fixture
def page(browser, ui):
    """A browser that nobody has used before, at the address that ``make ui`` names."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    context.set_default_timeout(SECONDS * 1000)
    context.add_init_script(PANEL_CLOSED)
    page = context.new_page()
    page.goto(ui)
    yield page
    context.close()


@pytest.fixture
def keep(tmp_path):
    """Take a screenshot into the documentation's folder, or one that pytest clears."""
    return screenshots(tmp_path)


def open_run(page, ui, run, *rest):
    place = "/".join(("runs", run.info.run_id, *rest))
    page.goto(f"{ui.partition('#')[0]}#/experiments/{run.info.experiment_id}/{place}?{TRAINING}")


def wait_for_pictures(images):
    """Wait until every one of the pictures, at least one, is loaded and has a size."""
    expect(images.first).to_be_visible()
    page = images.page
    deadline = time.monotonic() + SECONDS
    while not images.evaluate_all(SHOWN):
        assert time.monotonic() < deadline, "a picture is not shown"
        page.wait_for_timeout(100)


def test_the_list_of_runs_shows_the_figures(page, runs, keep):
    with page.expect_popup() as opened:
        page.get_by_role("link", name="metrics in a table").click()
    page = opened.value
    for name in ("direct.psnr", "captioner.cider_d", "text.champion.ssim", "speed.champion.images_per_s"):
        expect(page.get_by_role("columnheader", name=name).first).to_be_visible()
        value = str(runs[0].data.metrics[name])[:5]
        expect(page.get_by_role("gridcell", name=re.compile(rf"^{re.escape(value)}")).first).to_be_visible()
    keep("mlflow-figures", page)


def test_pictures_of_two_runs_stand_side_by_side_and_follow_the_slider(page, store, runs, keep):
    wait_for_pictures(page.locator("[data-testid=experiment-view-compare-runs-chart-area] img"))
    card = card_of(page, "vae/samples")
    image_splits = card.locator("img")
    expect(image_splits).to_have_count(2)
    wait_for_pictures(image_splits)
    for run in runs:
        expect(card).to_contain_text(run.info.run_name)
    lefts = [image_splits.nth(number).bounding_box() for number in range(2)]
    assert abs(lefts[0]["y"] - lefts[1]["y"]) < 5 and lefts[0]["x"] != lefts[1]["x"]

    untrained, *steps = steps_of(store, runs[0], "vae/samples")
    assert untrained == 0 and len(steps) >= 3
    for step in steps:
        card.get_by_role("slider").press("ArrowRight")
        for number in range(2):
            expect(image_splits.nth(number)).to_have_attribute("src", re.compile(rf"%2Bstep%2B{step}%2B"))
    wait_for_pictures(image_splits)
    shown = {
        re.search(r"run_uuid=(\w+)", image_splits.nth(n).get_attribute("src")).group(1) for n in range(2)
    }
    assert shown == {run.info.run_id for run in runs}
    keep("mlflow-pictures", page)


def steps_of(store, run, key):
    """The steps at which a run has a picture of a key."""
    names = (file.path for file in store.list_artifacts(run.info.run_id, "images"))
    found = (re.search(rf"/{key.replace('/', '~')}\+step\+(\d+)\+", name) for name in names)
    return sorted({int(match.group(1)) for match in found if match})


def card_of(page, key):
    """The card of a picture's key; cards are drawn when they are scrolled to."""
    area = page.get_by_test_id("experiment-view-compare-runs-chart-area")
    card = page.get_by_test_id("experiment-view-compare-runs-card").filter(has_text=key)
    area.hover()
    for _ in range(50):
        if card.count():
            break
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(100)
    card.scroll_into_view_if_needed()
    return card


def test_a_run_shows_its_pictures_and_leads_to_captions_and_report(page, ui, runs, keep):
    open_run(page, ui, runs[0])
    page.get_by_text("Show more").click()
    wait_for_pictures(page.locator("img[src*=get-artifact]"))
    keep("mlflow-run", page)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="captions", exact=True).click()
    page = opened.value
    thumbnails = page.locator("img[src*=table_images]")
    wait_for_pictures(thumbnails)
    expect(page.get_by_role("columnheader", name="truth")).to_be_visible()
    keep("mlflow-captions", page)


def test_the_models_page_shows_signature_and_lineage(page, ui, store, runs, keep):
    version = store.get_model_version(MODEL, "1")
    page.goto(f"{ui.partition('#')[0]}#/models/{version.name}/versions/{version.version}?{TRAINING}")
    expect(page.get_by_text("Inputs (")).to_be_visible()
    expect(page.get_by_text("Outputs (")).to_be_visible()
    run = store.get_run(version.run_id)
    expect(page.get_by_role("link", name=run.info.run_name, exact=True)).to_be_visible()

    model = page.locator("a[href*='/models/m-']").get_attribute("href")
    page.goto(f"{ui.partition('#')[0]}{model}?{TRAINING}")
    expect(page.get_by_role("link", name=run.info.run_name, exact=True).first).to_be_visible()
    expect(page.get_by_text("Datasets used")).to_be_visible()
    (data,) = {data.dataset.digest for data in run.inputs.dataset_inputs}
    expect(page.get_by_text(f"(#{data[:8]}").first).to_be_visible()
    expect(page.get_by_text(version.name, exact=True).first).to_be_visible()
    keep("mlflow-model", page)


HOSTILE = (
    "<script>window.hacked = 1</script>", "<img src=x onerror='window.hacked = 1'>",
    "\"><svg onload='window.hacked = 1'>", "</style></script></table>",
    "<iframe srcdoc='<script>window.top.hacked = 1</script>'></iframe>",
    "{{constructor.constructor('window.hacked = 1')()}}", "[a](javascript:window.hacked=1)",
    "![a](http://hacked.example/a.png)", "<meta http-equiv=refresh content='0;url=http://hacked.example'>",
)  # fmt: skip


@pytest.mark.skipif(STORE is not None, reason="the store of a real run stays as it is")
def test_captions_from_strangers_do_nothing_in_report_and_table(browser, page, ui, store, tmp_path):
    text = " ".join(HOSTILE)
    images = np.zeros((len(HOSTILE), 32, 32, 3), np.uint8)
    report = tmp_path / "report.html"
    report.write_text(
        render_report(
            summary={"source": text}, metrics={}, captioner={}, sheets={}, curves={},
            paths={"extras": {}, "real_vs_real": {}, "n_images": 0, "n_candidates": None},
            galleries=[Gallery(text, text, {"original": images, "caption": list(HOSTILE)}, list(HOSTILE))],
            captions=[(image, one, one) for image, one in zip(images, HOSTILE, strict=True)],
            run={"seed": 7, "machine": text, "code_revision": text},
        ),
        encoding="utf-8",
    )  # fmt: skip
    experiment = store.create_experiment("hostile", artifact_location=(tmp_path / "artifacts").as_uri())
    run = store.create_run(experiment, run_name=HOSTILE[0])
    store.log_param(run.info.run_id, "ingestion.source.path", text)
    store.set_tag(run.info.run_id, "error", text)
    table = pd.DataFrame({"image": list(images), "truth": HOSTILE, HOSTILE[1]: HOSTILE})
    log_table(store, run.info.run_id, table, "captions/captions.json")
    store.log_artifact(run.info.run_id, str(report), "report")

    page.close()  # the first page may have asked for the UI's own fonts and icons
    context = browser.new_context()
    context.add_init_script(PANEL_CLOSED)
    page, asked, dialogs = context.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: dialogs.append(dialog.message) or dialog.dismiss())
    page.goto(report.as_uri())
    expect(page.get_by_text(HOSTILE[0]).first).to_be_visible()
    assert not page.evaluate("window.hacked")
    for place in ((), ("artifacts", "captions/captions.json"), ("artifacts", "report/report.html")):
        open_run(page, ui, run, *place)
        shown = "Path: " if place[1:] == ("report/report.html",) else "window.hacked"
        expect(page.get_by_text(shown).filter(visible=True).first).to_be_visible()
        page.wait_for_timeout(1000)  # for what would run late
        assert not any(frame.evaluate("window.hacked") for frame in page.frames), place
    assert dialogs == []
    assert not [address for address in asked if "hacked.example" in address]
    context.close()

"""The page of toy models as a process of its own, and a real browser."""

import shutil
import sys
from functools import partial

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image
from tests.support.browser import screenshots, visitors
from tests.support.exported_models import SIZE, _project, project, said, toys  # noqa: F401
from tests.support.project import REPOSITORY, environment_without_settings
from tests.support.servers import free_port, running_server


@pytest.fixture(scope="session")
def play_project(_project, _migrated_mlflow_store, tmp_path_factory):  # noqa: F811
    """A project of toy models in which Kedro's command line works.

    Two environments have models, base has a report and a sheet, and a generator is registered.
    """
    root = tmp_path_factory.mktemp("play") / "project"
    shutil.copytree(_project, root)
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    (root / "src").mkdir()
    pixels = np.random.default_rng(3).integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    Image.fromarray(pixels).save(root / "star.png")
    shutil.copytree(root / "data" / "06_models", root / "data" / "smoke" / "06_models")
    reports = root / "data" / "08_reporting"
    reports.mkdir(parents=True)
    (reports / "report.html").write_text("<h1>The report of base</h1>")
    Image.fromarray(pixels).save(reports / "evaluation_sheet.png")
    shutil.copy(_migrated_mlflow_store, root / "mlflow.db")
    register_toys(root)
    return root


def register_toys(root):
    """Register the champion as a run of the environment smoke does, and its report."""
    address = f"sqlite:///{root / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=address, registry_uri=address)
    place = root / "mlartifacts" / "lexipix-smoke"
    run = client.create_run(client.create_experiment("lexipix-smoke", place.as_uri()))
    (root / "report.html").write_text("<h1>The report of a version</h1>")
    client.log_artifact(run.info.run_id, str(root / "report.html"), "report")
    shutil.copytree(root / "data" / "06_models" / "champion", root / "version" / "artifacts" / "champion")
    client.create_registered_model("lexipix-generator-smoke")
    client.create_model_version(
        "lexipix-generator-smoke",
        (root / "version").as_uri(),
        run.info.run_id,
        description="The first.",
    )
    client.set_registered_model_alias("lexipix-generator-smoke", "champion", "1")


@pytest.fixture(scope="session")
def toy_address(play_project):
    """The address of a page of toy models."""
    pytest.importorskip("gradio", reason="there is no Gradio here (pip install -r requirements-play.lock)")
    port = free_port()
    command = [sys.executable, "-m", "lexipix", "play", "--port", str(port)]
    own = environment_without_settings() | {"PYTHONPATH": str(REPOSITORY / "src")}
    with running_server(command, f"http://127.0.0.1:{port}/", play_project, own):
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture(scope="session")
def address(toy_address):
    """The address of the page that a test visits."""
    return toy_address


@pytest.fixture
def visit(browser, address):
    """Open the page as a new visitor."""
    with visitors(browser, "#drawn img", (address, "data:", "blob:")) as open_page:
        yield partial(open_page, address)


@pytest.fixture
def page(visit):
    return visit()


@pytest.fixture
def keep(tmp_path):
    """Take a screenshot into the documentation's folder, or one that pytest clears."""
    return screenshots(tmp_path)


@pytest.fixture
def tab(page):
    """Open a tab of the page."""

    def tab(name):
        page.get_by_role("tab", name=name, exact=True).click()

    return tab


@pytest.fixture
def give(page, play_project):
    """Give a picture to the tab that is open; a name alone is one of the project's."""

    def give(name):
        page.locator("input[type=file]").last.set_input_files(play_project / name)

    return give

"""The Kedro project as a whole: environments, catalog, registry, start-up time, telemetry."""

import inspect
import json
import os
import subprocess
import sys
import typing

import pytest
import yaml
from kedro.config import OmegaConfigLoader
from kedro.io import DataCatalog
from tests.support.project import REPOSITORY

from lexipix.config.errors import keys
from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER
from lexipix.config.root import LexipixParameters, default_place, validate
from lexipix.pipeline_registry import register_pipelines
from lexipix.settings import CONFIG_LOADER_ARGS
from lexipix.tracking.lineage import flatten

ENVIRONMENTS = ("base", "smoke", "cifar10", "folder")


def configuration(env):
    return OmegaConfigLoader(conf_source=str(REPOSITORY / "conf"), env=env, **CONFIG_LOADER_ARGS)


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_parameters_of_every_environment_are_valid(env):
    validate(configuration(env)["parameters"])


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_environment_changes_single_values_and_keeps_the_rest(env):
    base, own = configuration("base")["parameters"], configuration(env)["parameters"]
    assert own.keys() == base.keys()


def test_every_parameter_stands_in_its_pipelines_file():
    """A user finds every key in the file, and DVC notices every change: no value hides in the code."""
    for section, model in LexipixParameters.model_fields.items():
        file = REPOSITORY / default_place(section)
        written = yaml.safe_load(file.read_text(encoding="utf-8"))[section]
        missing = [key for key in keys(model.annotation) if not present(key.split("."), written)]
        assert not missing, f"{file.name} lacks {missing}"


def test_defaults_in_the_code_are_those_of_the_base_environment():
    written = dict(flatten(validate(configuration("base")["parameters"]).model_dump()))
    built_in = dict(flatten(validate({}).model_dump()))
    assert written.pop("generation.prompts") != built_in.pop("generation.prompts")  # of the scenes alone
    assert {key: value for key, value in written.items() if built_in[key] != value} == {}


def present(path, data):
    for part in path:
        if data is None:  # a group that is switched off has no keys
            return True
        if isinstance(data, list):
            return True
        if part not in data:
            return False
        data = data[part]
    return True


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_entry_of_the_catalog_can_be_made(env):
    entries = configuration(env)["catalog"]
    catalog = DataCatalog.from_config(entries)
    for name in entries:
        assert catalog[name] is not None


@pytest.mark.parametrize("env", ENVIRONMENTS[1:])
def test_environment_writes_under_its_own_root(env):
    for name, entry in configuration(env)["catalog"].items():
        if "filepath" in entry and not entry["filepath"].startswith("data/01_raw"):
            assert entry["filepath"].startswith(f"data/{env}/"), name


def test_no_two_entries_share_a_path():
    places = [entry["filepath"] for entry in configuration("base")["catalog"].values() if "filepath" in entry]
    assert len(places) == len(set(places))


def test_every_dataset_of_a_pipeline_is_in_the_catalog():
    entries = configuration("base")["catalog"]
    for name, pipeline in register_pipelines().items():
        lost = {data for data in pipeline.datasets() if not data.startswith("params:")} - entries.keys()
        assert not lost, f"{name} loses {lost}"


def test_every_entry_of_the_catalog_is_used():
    used = set().union(*(pipeline.datasets() for pipeline in register_pipelines().values()))
    assert configuration("base")["catalog"].keys() - used == {"estimate"}, (
        "written by a command, read by hooks"
    )


def test_default_is_everything_but_generation():
    pipelines = register_pipelines()
    names = {node.name for node in pipelines[DEFAULT].nodes}
    for part in PIPELINE_ORDER:
        assert ({node.name for node in pipelines[part].nodes} <= names) == (part != "generation")


def test_pipelines_that_train_are_not_imported_for_those_that_do_not():
    code = (
        "import sys\n"
        "from lexipix.pipeline_registry import register_pipelines\n"
        "register_pipelines()['ingestion']\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_kedro_can_read_the_annotations_of_every_node():
    """Kedro makes typed parameters of them; a name that only a type checker knows switches that off."""
    for node in register_pipelines()[DEFAULT].nodes:
        hints = typing.get_type_hints(node.func)
        for argument, bound in inspect.signature(node.func).bind(*node.inputs).arguments.items():
            names = bound if isinstance(bound, tuple) else (bound,)  # any number of inputs are no parameters
            for name in (one for one in names if one.startswith("params:")):
                plain = "." in name and hints[argument] in (bool, int, float, str)
                assert plain or hasattr(hints[argument], "model_validate"), f"{node.name}: {argument}"


def test_nothing_heavy_is_imported_to_show_help():
    """`kedro --help` answers in about a second more than in a bare project."""
    heavy = (
        "{'torch', 'transformers', 'mlflow', 'pandas', 'matplotlib', 'skimage', 'onnxruntime', 'datasets'}"
    )
    code = (
        "import sys, importlib, pkgutil\n"
        "from pathlib import Path\n"
        "from kedro.framework.cli.cli import KedroCLI\n"
        "KedroCLI(Path.cwd()).list_commands(None)\n"
        "import lexipix.cli.main, lexipix.hooks.project, lexipix.settings, lexipix.config, lexipix.datasets\n"
        "for package in (lexipix.config, lexipix.datasets):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        importlib.import_module(module.name)\n"
        f"print(sorted({heavy} & sys.modules.keys()))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], check=True, cwd=REPOSITORY, capture_output=True, text=True
    )
    assert answer.stdout.strip() == "[]"


def test_telemetry_is_off():
    assert yaml.safe_load((REPOSITORY / ".telemetry").read_text()) == {"consent": False}
    assert "project_id" not in (REPOSITORY / "pyproject.toml").read_text()
    code = (
        "import lexipix.settings, json\n"
        "from mlflow.telemetry.utils import is_telemetry_disabled\n"
        "from huggingface_hub.constants import HF_HUB_DISABLE_TELEMETRY\n"
        "from dvc.analytics import is_enabled\n"
        "print(json.dumps([is_telemetry_disabled(), HF_HUB_DISABLE_TELEMETRY, not is_enabled()]))"
    )
    names = ("DO_NOT_TRACK", "DVC_NO_ANALYTICS", "MLFLOW_DISABLE_TELEMETRY", "HF_HUB_DISABLE_TELEMETRY")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    answer = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert json.loads(answer.stdout.splitlines()[-1]) == [True, True, True]

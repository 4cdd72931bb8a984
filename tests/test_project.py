"""The Kedro project as a whole: environments, catalog, registry, start-up time, telemetry."""

import functools
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
from pydantic import BaseModel
from tests.support.project import REPOSITORY

from lexipix.config.errors import keys
from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER
from lexipix.config.root import LexipixParameters, default_place, validate
from lexipix.pipeline_registry import register_pipelines
from lexipix.settings import CONFIG_LOADER_ARGS

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


def test_the_code_holds_no_default():
    """conf/base is their one source."""
    with_default = []

    def look(model, prefix=""):
        for name, field in model.model_fields.items():
            if not field.is_required():
                with_default.append(f"{prefix}{name}")
            if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
                look(field.annotation, f"{prefix}{name}.")

    look(LexipixParameters)
    assert with_default == []


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


@functools.cache
def catalog_of(env):
    return DataCatalog.from_config(configuration(env)["catalog"])


@functools.cache
def datasets():
    """Every dataset of a pipeline."""
    names = set().union(*(pipeline.datasets() for pipeline in register_pipelines().values()))
    return sorted(name for name in names if not name.startswith("params:"))


@pytest.mark.parametrize("env", ENVIRONMENTS)
def test_every_dataset_of_a_pipeline_has_a_catalog_entry_that_can_be_made(env):
    catalog = catalog_of(env)
    for name in datasets():
        assert name in catalog, f"{name} would be lost"
        assert type(catalog[name]).__module__.startswith("lexipix."), name


@pytest.mark.parametrize("env", ENVIRONMENTS[1:])
def test_environment_writes_under_its_own_root(env):
    catalog = catalog_of(env)
    for name in (*datasets(), "estimate"):
        path = catalog.config_resolver.resolve_pattern(name).get("filepath", "")
        assert path.startswith(("data/01_raw", f"data/{env}/")) or not path, name


def test_no_two_datasets_share_a_path():
    resolver = catalog_of("base").config_resolver
    entries = [resolver.resolve_pattern(name) for name in datasets()]
    paths = [entry["filepath"] for entry in entries if "filepath" in entry]
    assert len(paths) == len(set(paths))


def test_every_entry_and_every_factory_of_the_catalog_is_used():
    resolver = catalog_of("base").config_resolver
    entries = set(configuration("base")["catalog"])
    explicit = {name for name in datasets() if name in entries}
    used = explicit | {resolver.match_dataset_pattern(name) for name in set(datasets()) - explicit}
    assert entries - used == {"estimate"}, "a command writes it, hooks read it"


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
        signature, inputs = inspect.signature(node.func), node._inputs  # by name where they are a mapping
        bound_inputs = signature.bind(**inputs) if isinstance(inputs, dict) else signature.bind(*node.inputs)
        for argument, bound in bound_inputs.arguments.items():
            if isinstance(bound, dict):  # any number of inputs by name
                bound = tuple(bound.values())
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
        # The catalog creates a dataset when it is asked for: those of tables, which need pandas, come later
        "TABLES = {'lexipix.datasets.tables', 'lexipix.datasets.curves'}\n"
        "import sys, importlib, pkgutil\n"
        "from pathlib import Path\n"
        "from kedro.framework.cli.cli import KedroCLI\n"
        "KedroCLI(Path.cwd()).list_commands(None)\n"
        "import lexipix.cli, lexipix.settings, lexipix.config, lexipix.datasets\n"
        "for package in (lexipix.config, lexipix.datasets):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if module.name not in TABLES: importlib.import_module(module.name)\n"
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

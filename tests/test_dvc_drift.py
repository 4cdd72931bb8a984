"""dvc.yaml is written by hand; this holds it against the Kedro pipelines, the catalog and the imports.

What a stage must declare follows from its command: which nodes run, which datasets with a path they read and
write, which parameters they take, and which of our modules their functions and datasets are made of.
"""

import importlib
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import grimp
import pytest
import yaml
from kedro.config import OmegaConfigLoader

from lexipix.pipeline_registry import DEFAULT, register_pipelines
from lexipix.settings import CONFIG_LOADER_ARGS

REPOSITORY = Path(__file__).parents[1]

# Where a run leaves what it needs to go on after an interruption. It is gone when the training is finished,
# and a file that is gone can be no output of a stage.
NOT_OUTPUTS = {"lexipix.datasets.checkpoints.CheckpointStoreDataset"}

# Carries data without changing it, so that mending it is no reason to train again. What a source makes of its
# files does change them.
PLUMBING = ("lexipix.errors", "lexipix.records", "lexipix.datasets")
NOT_PLUMBING = ("lexipix.datasets.sources",)

# The part of a pipeline's folder that decides what is run; its imports are those of its functions.
WIRING = "pipeline"


@dataclass
class Stage:
    """What a stage depends on and makes; paths as dvc.yaml writes them."""

    data: set[str] = field(default_factory=set)
    modules: set[str] = field(default_factory=set)
    params: set[tuple[str, str]] = field(default_factory=set)
    outs: set[str] = field(default_factory=set)


@cache
def declared() -> dict:
    return yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@cache
def catalog() -> dict:
    loader = OmegaConfigLoader(conf_source=str(REPOSITORY / "conf"), env="base", **CONFIG_LOADER_ARGS)
    return loader["catalog"]


@cache
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("lexipix", cache_dir=None)


def nodes_of(command: str) -> list:
    """Give the nodes that a stage's command runs."""
    words = shlex.split(command)
    assert words[:2] == ["kedro", "run"], f"a stage's command begins with `kedro run`, not {command!r}"
    options = dict(zip(words[2::2], words[3::2], strict=True))
    assert options.keys() <= {"--pipelines", "--tags"}, f"unknown options in {command!r}"
    pipeline = register_pipelines()[options["--pipelines"]]
    return list(pipeline.filter(tags=options["--tags"].split(",") if "--tags" in options else None).nodes)


def expected(command: str) -> Stage:
    """Say what a stage with this command must declare."""
    stage = Stage()
    nodes = nodes_of(command)
    made = {name for node in nodes for name in node.outputs}
    for node in nodes:
        stage.modules |= used_modules(node.func.__module__)
        stage.modules.add(node.func.__module__.rpartition(".")[0] + "." + WIRING)
        for name in {*node.inputs, *node.outputs}:
            if name.startswith("params:"):
                stage.params.add(place_of(name.removeprefix("params:")))
                continue
            entry = catalog().get(name)
            assert entry is not None, f"{name} is in no catalog file: it would be lost"
            if entry["type"].startswith("lexipix."):
                stage.modules |= used_modules(entry["type"].rpartition(".")[0])
            if "filepath" in entry and entry["type"] not in NOT_OUTPUTS:
                (stage.outs if name in made else stage.data).add(entry["filepath"])
    return stage


def used_modules(module: str) -> set[str]:
    """Name a module of ours and everything of ours that it imports, directly or not."""
    importlib.import_module(module)
    return {module, *imports().find_upstream_modules(module)} - {"lexipix"}


def place_of(key: str) -> tuple[str, str]:
    """Name the file of the base environment that sets a parameter, and its key."""
    section = key.partition(".")[0]
    files = sorted((REPOSITORY / "conf/base").glob("parameters*.yml"))
    (file,) = [path for path in files if section in yaml.safe_load(path.read_text(encoding="utf-8"))]
    return file.relative_to(REPOSITORY).as_posix(), key


def paths(entries: list) -> Iterator[str]:
    """Give the paths of dvc.yaml's lists, whose items may carry options."""
    for entry in entries:
        yield entry if isinstance(entry, str) else next(iter(entry))


def module_path(module: str) -> str:
    stem = "src/" + module.replace(".", "/")
    return f"{stem}/__init__.py" if (REPOSITORY / stem).is_dir() else f"{stem}.py"


def is_plumbing(module: str) -> bool:
    return within(module, PLUMBING) and not within(module, NOT_PLUMBING)


def within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def covers(dependency: str, path: str) -> bool:
    return path == dependency or path.startswith(f"{dependency}/")


def drift(name: str, stage: dict, wanted: Stage) -> list[str]:
    """Name every difference between what a stage declares and what it must."""
    deps = set(paths(stage.get("deps", [])))
    code = {dep for dep in deps if dep.startswith("src/")}
    outs = {path for part in ("outs", "metrics", "plots") for path in paths(stage.get(part, []))}
    params = {
        (file, key) for entry in stage.get("params", []) for file, keys in entry.items() for key in keys
    }
    needed = {module_path(module) for module in wanted.modules if not is_plumbing(module)}
    found = [f"{name}: deps lack {path}" for path in sorted(wanted.data - deps)]
    found += [f"{name}: deps name {path}, which no node reads" for path in sorted(deps - code - wanted.data)]
    found += [
        f"{name}: deps lack {path}, which its nodes or datasets import"
        for path in sorted(needed)
        if not any(covers(dependency, path) for dependency in code)
    ]
    found += [
        f"{name}: deps name {dependency}, which its nodes and datasets never import"
        for dependency in sorted(code)
        if not any(covers(dependency, path) for path in needed)
    ]
    found += [f"{name}: outs, metrics and plots lack {path}" for path in sorted(wanted.outs - outs)]
    found += [f"{name}: {path} is declared, which no node writes" for path in sorted(outs - wanted.outs)]
    found += [f"{name}: params lack {key} of {file}" for file, key in sorted(wanted.params - params)]
    extra = sorted(params - wanted.params)
    found += [f"{name}: params name {key} of {file}, which no node takes" for file, key in extra]
    return found


def test_every_stage_declares_what_its_nodes_do():
    stages = declared().items()
    found = [line for name, stage in stages for line in drift(name, stage, expected(stage["cmd"]))]
    assert not found, "dvc.yaml has drifted from Kedro:\n" + "\n".join(found)


def test_every_node_of_the_main_job_runs_in_exactly_one_stage():
    ran = sorted(node.name for stage in declared().values() for node in nodes_of(stage["cmd"]))
    assert ran == sorted(node.name for node in register_pipelines()[DEFAULT].nodes)


def test_parameter_files_hold_literals_only():
    """DVC locks an interpolation as text: a change of what it stands for would go unnoticed."""
    for path in sorted((REPOSITORY / "conf").rglob("parameters*.yml")):
        assert "${" not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda stage: stage["deps"].remove("src/lexipix/scenes"), "deps lack src/lexipix/scenes/"),
        (lambda stage: stage["deps"].append("src/lexipix/networks"), "deps name src/lexipix/networks"),
        (lambda stage: stage["deps"].append("data/09"), "deps name data/09, which no node reads"),
        (lambda stage: stage["outs"].remove("data/03_primary/pictures"), "lack data/03_primary/pictures"),
        (lambda stage: stage["outs"].append("data/x"), "data/x is declared, which no node writes"),
        (lambda stage: stage["params"].pop(), "params lack"),
        (lambda stage: stage["params"].append({"conf/x.yml": ["x"]}), "params name x of conf/x.yml"),
    ],
)
def test_drift_is_named(change, told):
    stage = yaml.safe_load(yaml.safe_dump(declared()["ingestion"]))
    wanted = expected(stage["cmd"])
    assert drift("ingestion", stage, wanted) == []
    change(stage)
    assert [line for line in drift("ingestion", stage, wanted) if told in line]

"""What DVC must know of the project: stages written from the Kedro pipelines, the catalog and the imports.

What a stage declares follows from its command: which nodes run, which datasets with a path they read and
write, which parameters they take, and which modules of ours their functions and datasets are made of. A stage
is a pipeline, or a tag of it where its nodes have tags.
"""

import importlib
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from kedro.config import OmegaConfigLoader
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER
from lexipix.pipeline_registry import register_pipelines
from lexipix.repro.dvc_files import LISTS, Stage, path_of
from lexipix.settings import CONFIG_LOADER_ARGS
from lexipix.tracking.lineage import sets
from lexipix.utils.errors import LexipixError

BASE = "base"
CODE = "src/"
# Where a run leaves what it needs to go on after an interruption. It is gone when the training is finished,
# and a file that is gone can be no output of a stage.
NOT_OUTPUTS = {"lexipix.datasets.checkpoints.CheckpointStoreDataset"}
# Carries data without changing it, so that mending it is no reason to train again. What a source makes of its
# files does change them.
PLUMBING = ("lexipix.utils.errors", "lexipix.utils.types", "lexipix.datasets")
NOT_PLUMBING = ("lexipix.datasets.sources",)
# The part of a pipeline's folder that decides what is run; its imports are those of its functions.
WIRING = "pipeline"
# What a module reads beside its imports
RESOURCES = {"lexipix.reporting.report": "src/lexipix/reporting/templates"}
# How an output is shown, by the type of its dataset
PICTURE, CURVES = "lexipix.datasets.files.PngDataset", "lexipix.datasets.curves.CurvesDataset"
CURVE = {"x": "images_seen"}
METRICS = "metrics"


def environments(project: Path) -> list[str]:
    """The base environment, and every other that has data of its own."""
    roots = {}
    for file in sorted((project / "conf").glob("*/globals.yml")):
        roots[file.parent.name] = _read(file).get("data_root")
    return [BASE, *(env for env, root in roots.items() if env != BASE and root != roots[BASE])]


def place(project: Path, env: str) -> Path:
    """Where an environment's stages are written."""
    return project / "dvc.yaml" if env == BASE else project / "conf" / env / "dvc.yaml"


def commands(env: str) -> dict[str, str]:
    """The stages that make up the default run: name to command."""
    pipelines = _pipelines()
    wanted = {node.name for node in pipelines[DEFAULT].nodes}
    start = "kedro run" if env == BASE else f"kedro run --env {env}"
    found: dict[str, str] = {}
    for name in PIPELINE_ORDER:
        nodes = pipelines[name].nodes
        if not {node.name for node in nodes} <= wanted:
            continue
        tags = dict.fromkeys(tag for node in nodes for tag in sorted(node.tags))
        whole = f"{start} --pipelines {name}"
        found |= {f"{name}_{tag}": f"{whole} --tags {tag}" for tag in tags} if tags else {name: whole}
    return found


def nodes_of(command: str) -> list[Node]:
    """The nodes that a stage's command runs.

    Raises:
        LexipixError: It is no run of a pipeline.
    """
    words = shlex.split(command)
    options = dict(zip(words[2::2], words[3::2], strict=False))
    pipelines = _pipelines()
    known = options.keys() <= {"--env", "--pipelines", "--tags"}
    if words[:2] != ["kedro", "run"] or not known or options.get("--pipelines") not in pipelines:
        raise LexipixError(
            f"{command!r} runs no pipeline that DVC's stages could be written from: expected "
            "kedro run [--env ENV] --pipelines NAME [--tags TAG]."
        )
    pipeline = pipelines[options["--pipelines"]]
    return list(pipeline.filter(tags=options["--tags"].split(",") if "--tags" in options else None).nodes)


def stage(project: Path, env: str, command: str) -> Stage:
    """What a stage with this command declares, as ``dvc.yaml`` has it.

    Raises:
        LexipixError: A node reads or writes something that is in no catalog file.
    """
    catalog = _configuration(project, env)[0]
    nodes = nodes_of(command)
    made = {name for node in nodes for name in node.outputs}
    data, modules, keys = set[str](), set[str](), set[str]()
    found: dict[str, list[Any]] = {name: [] for name in LISTS}
    for node in nodes:
        modules |= used_modules(node.func.__module__)
        modules.add(node.func.__module__.rpartition(".")[0] + "." + WIRING)
        for name in {*node.inputs, *node.outputs}:
            if name.startswith("params:"):
                keys.add(name.removeprefix("params:"))
                continue
            entry = catalog.get(name)
            if entry is None:
                raise LexipixError(f"{name} is in no catalog file: what {node.name} makes would be lost.")
            kind = str(entry["type"])
            if kind.startswith("lexipix."):
                modules |= used_modules(kind.rpartition(".")[0])
            if "filepath" not in entry or kind in NOT_OUTPUTS:
                continue
            path = str(entry["filepath"])
            if name not in made:
                data.add(path)
            elif name == METRICS:
                found["metrics"].append(path)
            elif kind == PICTURE:
                found["plots"].append(path)
            elif kind == CURVES:
                found["plots"].append({path: CURVE})
            else:
                found["outs"].append(path)
    found["deps"] = [*sorted(data), *sources(project, env, keys), *code(project, modules)]
    found["params"] = parameters(project, env, keys)
    written = {name: _unique(found[name]) for name in LISTS if found[name]}
    return {"cmd": command, **({} if env == BASE else {"wdir": "../.."}), **written}


@cache
def used_modules(module: str) -> frozenset[str]:
    """A module of ours and everything of ours that it imports, directly or not."""
    importlib.import_module(module)
    return frozenset({module, *_imports().find_upstream_modules(module)} - {"lexipix"})


def code(project: Path, modules: Iterable[str]) -> list[str]:
    """The files of modules, and a folder in place of its files where all of them are needed.

    A package's own ``__init__.py`` does not count: ours only hand on what is in the modules.
    """
    files = {_file(project, module) for module in modules if not is_plumbing(module)}
    files |= {path for module, path in RESOURCES.items() if module in modules}
    for folder in sorted({path.rpartition("/")[0] for path in files if path.endswith(".py")}, reverse=True):
        own = {
            path.relative_to(project).as_posix()
            for path in (project / folder).rglob("*.py")
            if path.name != "__init__.py"
        }
        if len(own) > 1 and own <= _expanded(project, files):
            files = {path for path in files if not path.startswith(f"{folder}/")} | {folder}
    return sorted(files)


def parameters(project: Path, env: str, keys: Iterable[str]) -> list[dict[str, list[str]]]:
    """The files that set parameters, of the base environment and of this one, with the keys in each."""
    found: dict[str, list[str]] = {}
    for key in sorted(keys):
        for folder in dict.fromkeys((BASE, env)):
            for file in sorted((project / "conf" / folder).glob("parameters*.yml")):
                if sets(_read(file), key):
                    found.setdefault(file.relative_to(project).as_posix(), []).append(key)
    return [{file: found[file]} for file in sorted(found)]


def sources(project: Path, env: str, keys: Iterable[str]) -> list[str]:
    """The pictures that are ingested and the captioner that describes them, where inside the project."""
    if "ingestion" not in keys:
        return []
    ingestion = _configuration(project, env)[1]["ingestion"]
    paths = (ingestion["source"].get("path"), ingestion.get("captioner"))
    return [str(path) for path in paths if path and not Path(path).is_absolute()]


def is_plumbing(module: str) -> bool:
    """Whether a module only carries data."""
    return _within(module, PLUMBING) and not _within(module, NOT_PLUMBING)


@cache
def _pipelines() -> Mapping[str, Pipeline]:
    return register_pipelines()


@cache
def _imports() -> Any:
    try:
        import grimp
    except ImportError as error:
        raise LexipixError(
            "Which modules a stage imports is found out by grimp, which is not installed: pip install grimp."
        ) from error
    return grimp.build_graph("lexipix", cache_dir=None)


@cache
def _configuration(project: Path, env: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Catalog and parameters, taken at once: a loader of another environment changes what globals mean."""
    loader = OmegaConfigLoader(conf_source=str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)
    return loader["catalog"], loader["parameters"]


def _read(file: Path) -> Mapping[str, Any]:
    return yaml.safe_load(file.read_text(encoding="utf-8")) or {}


def _file(project: Path, module: str) -> str:
    stem = CODE + module.replace(".", "/")
    return f"{stem}/__init__.py" if (project / stem).is_dir() else f"{stem}.py"


def _expanded(project: Path, files: Iterable[str]) -> set[str]:
    """Files, and those of folders among them."""
    found = set[str]()
    for path in files:
        if path.endswith(".py"):
            found.add(path)
        else:
            found |= {one.relative_to(project).as_posix() for one in (project / path).rglob("*.py")}
    return found


def _within(module: str, packages: Sequence[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _unique(items: Iterable[Any]) -> list[Any]:
    """Items by their paths; code behind data, as they come."""
    by_path = {path_of(item): item for item in items}
    return [by_path[path] for path in sorted(by_path, key=lambda path: (path.startswith(CODE), path))]

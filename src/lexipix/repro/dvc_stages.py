"""DVC's stages, computed from the Kedro pipelines, the catalog, the parameters and the imports.

A stage is a pipeline, or a tag of it if its nodes have tags. Its command, dependencies and outputs are the
same in every environment except for the folder of the data; ``${item.…}`` stands for what differs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER
from lexipix.repro.digests import tracked_path
from lexipix.repro.import_graph import code_paths, modules_of_function, used_modules
from lexipix.tracking.provenance import NO_OUTPUT
from lexipix.utils.errors import LexipixError, reason
from lexipix.utils.nested import has_key

LISTS = ("deps", "params", "outs", "metrics", "plots")
Stage = dict[str, Any]
BASE = "base"
# How DVC shows an output, by the type of its dataset
IMAGE, CURVES = "lexipix.datasets.files.PngDataset", "lexipix.datasets.curves.CurvesDataset"
METRICS = "metrics"
IMAGES = "image_splits"  # a folder in most environments, and the manifest alone of a large one
# The code that draws, reads or captions the images, where no file in the project does
SCENES, SOURCES = "src/lexipix/scenes", "src/lexipix/datasets/sources"
CAPTIONING = "src/lexipix/data/ingestion"


@dataclass(frozen=True)
class KedroProject:
    """What the stages are computed from; ``configure`` gives Kedro's loader of an environment."""

    path: Path
    pipelines: Mapping[str, Pipeline]
    configure: Callable[[str], Mapping[str, Any]]

    @cached_property
    def environments(self) -> list[str]:
        """The base environment, and every other one with its own folder of data."""
        roots = {
            path.parent.name: _read(path).get("data_root") for path in self.path.glob("conf/*/globals.yml")
        }
        return [BASE, *(env for env in sorted(roots) if roots[env] != roots[BASE])]

    def stages(self) -> dict[str, Stage]:
        """The ``foreach`` stages that make up the default run, as ``dvc.yaml`` has them."""
        found: dict[str, Stage] = {}
        for name, (options, nodes) in self.commands().items():
            command = f"kedro run --env ${{key}} {options}"
            found[name] = {"foreach": "${environments}", "do": {"cmd": command, **self._lists(nodes)}}
        return found

    def commands(self) -> dict[str, tuple[str, list[Node]]]:
        """Stage -> the options of its ``kedro run``, and the nodes that it runs."""
        default = {node.name for node in self.pipelines[DEFAULT].nodes}
        found = {}
        for name in PIPELINE_ORDER:
            nodes = self.pipelines[name].nodes
            if not {node.name for node in nodes} <= default:
                continue
            tags = dict.fromkeys(tag for node in nodes for tag in sorted(node.tags))
            for tag in tags:
                tagged = [node for node in nodes if tag in node.tags]
                found[f"{name}_{tag}"] = (f"--pipelines {name} --tags {tag}", tagged)
            if not tags:
                found[name] = (f"--pipelines {name}", list(nodes))
        return found

    def variables(self) -> dict[str, dict[str, Any]]:
        """What differs between environments: ``environments`` among the ``vars`` of ``dvc.yaml``.

        ``source`` and ``captions`` are what the ingestion reads, ``images`` what it writes. The keys after
        them are parameters that only some environments change, each with the environment whose file sets it:
        the item's own, or base.
        """
        keys = {key for _, nodes in self.commands().values() for key in _parameter_keys(nodes)}
        changed = [key for key in sorted(keys) if self._folder(key).startswith("${item.")]
        found = {}
        for env in self.environments:
            config = self.configure(env)
            ingestion = config["parameters"]["ingestion"]
            source = ingestion["source"]
            found[env] = {
                "data": _read(self.path / "conf" / env / "globals.yml")["data_root"],
                "source": _inside(source["path"]) or (SCENES if source["kind"] == "scenes" else SOURCES),
                "captions": _inside(ingestion["captioner"]) or CAPTIONING,
                "images": tracked_path(self.path, config["catalog"][IMAGES]).as_posix(),
                **{_variable(key): env if self._file(env, key) else BASE for key in changed},
            }
        return found

    def _lists(self, nodes: list[Node]) -> dict[str, list[Any]]:
        written = {name for node in nodes for name in node.outputs}
        base_root = _read(self.path / "conf" / BASE / "globals.yml")["data_root"]
        found: dict[str, dict[str, Any]] = {name: {} for name in LISTS}
        for name in {name for node in nodes for name in _datasets(node)}:
            entry = self._entry(name)
            kind = str(entry["type"])
            if not kind.startswith("lexipix."):
                raise LexipixError(f"The dataset {name} has no catalog entry: its data would be lost.")
            if "filepath" not in entry or kind == NO_OUTPUT:
                continue
            path = "${item.data}/" + str(entry["filepath"]).removeprefix(f"{base_root}/")
            path = "${item.images}" if name == IMAGES else path
            written_as = "metrics" if name == METRICS else "plots" if kind in (IMAGE, CURVES) else "outs"
            group = written_as if name in written else "deps"
            is_curve = kind == CURVES and group == "plots"
            found[group][path] = {path: {"x": "images_seen"}} if is_curve else path
        lists = {name: [items[path] for path in sorted(items)] for name, items in found.items()}
        code = self._code(nodes)
        if any("sources" in node.inputs for node in nodes):
            lists["deps"] += ["${item.source}", "${item.captions}"]
            code = [path for path in code if not path.startswith(SCENES)]
        lists["deps"] += code
        lists["params"] = self._parameters(sorted(_parameter_keys(nodes)))
        return {name: items for name, items in lists.items() if items}

    def _code(self, nodes: Iterable[Node]) -> list[str]:
        """The files of code that nodes and their datasets are made of."""
        modules = set[str]()
        for node in nodes:
            module = node.func.__module__
            modules |= modules_of_function(module, node.func.__name__)
            modules.add(f"{module.rpartition('.')[0]}.pipeline")
            for name in _datasets(node):
                kind = str(self._entry(name)["type"])
                if kind.startswith("lexipix."):
                    modules |= used_modules(kind.rpartition(".")[0])
        return code_paths(self.path, modules)

    def _entry(self, name: str) -> Mapping[str, Any]:
        """A dataset's entry in the base environment's catalog, that of a factory included."""
        return self._catalog.config_resolver.resolve_pattern(name)

    @cached_property
    def _catalog(self) -> DataCatalog:
        return DataCatalog.from_config(dict(self.configure(BASE)["catalog"]))

    def _parameters(self, keys: list[str]) -> list[dict[str, list[str]]]:
        """The files of the base environment with the keys of each, then those of the item's environment."""
        found: dict[str, list[str]] = {}
        for folder_of in (lambda _: BASE, self._folder):
            for key in keys:
                if folder := folder_of(key):
                    found.setdefault(f"conf/{folder}/{self._file(BASE, key)}", []).append(key)
        return [{file: names} for file, names in found.items()]

    def _folder(self, key: str) -> str:
        """The folder, beside base, of the files that set a parameter; empty if no environment changes it."""
        n_changed = sum(bool(self._file(env, key)) for env in self.environments if env != BASE)
        if n_changed == len(self.environments) - 1:
            return "${key}"
        return f"${{item.{_variable(key)}}}" if n_changed else ""

    def _file(self, env: str, key: str) -> str:
        """The name of an environment's file that sets a parameter; empty if none does."""
        return next((name for name, content in self._files[env].items() if has_key(content, key)), "")

    @cached_property
    def _files(self) -> dict[str, dict[str, Mapping[str, Any]]]:
        """The content of each environment's files of parameters."""
        return {
            env: {
                file.name: _read(file) for file in sorted((self.path / "conf" / env).glob("parameters*.yml"))
            }
            for env in self.environments
        }


def _parameter_keys(nodes: Iterable[Node]) -> set[str]:
    names = {name for node in nodes for name in node.inputs}
    return {name.removeprefix("params:") for name in names if name.startswith("params:")}


def _datasets(node: Node) -> list[str]:
    return [name for name in (*node.inputs, *node.outputs) if not name.startswith("params:")]


def _variable(key: str) -> str:
    return key.replace(".", "_")


def _inside(path: str | None) -> str | None:
    """A path inside the project; others are no dependencies."""
    return None if path is None or Path(path).is_absolute() else path


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return dict(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise LexipixError(f"{file} is not valid YAML of keys with values ({reason(error)}).") from error

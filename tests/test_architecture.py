"""The structure of the package, as its import graph shows it; lazy and TYPE_CHECKING imports count."""

import subprocess
import sys
from pathlib import Path

import grimp
import networkx as nx
import pytest
from tests.support.project import REPOSITORY

LAYERS = (
    {"cli", "hooks", "play", "serving", "settings", "pipeline_registry", "__main__"},
    {"pipelines"},
    {"compression", "evaluation", "tracking", "repro"},
    {"inference", "reporting", "training"},
    {"data", "engines"},
    {"models", "metrics", "scenes", "datasets"},
    {"config"},
    {"utils"},
)


@pytest.fixture(scope="module")
def imports():
    """Every import of the package: from which module, which module."""
    graph = grimp.build_graph("lexipix", cache_dir=None)
    return [(one, two) for one in graph.modules for two in graph.find_modules_directly_imported_by(one)]


def test_no_module_imports_itself_by_way_of_others(imports):
    circles = [sorted(circle) for circle in nx.strongly_connected_components(nx.DiGraph(imports))]
    assert [circle for circle in circles if len(circle) > 1] == []


def test_no_module_imports_from_a_higher_layer(imports):
    def height(module):
        part = module.split(".")[1]
        return next(-number for number, layer in enumerate(LAYERS) if part in layer)

    inner = [(one, two) for one, two in imports if one != "lexipix" and two != "lexipix"]
    assert len(inner) > 500
    assert [(one, two) for one, two in inner if height(two) > height(one)] == []


def test_every_contract_of_imports_is_kept():
    answer = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout


def test_a_module_that_no_layer_lists_is_refused(tmp_path):
    rules = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    start = rules.index("[tool.importlinter]")
    end = rules.index("[[tool.importlinter.contracts]]", rules.index("exhaustive = true"))
    (tmp_path / "pyproject.toml").write_text(rules[start:end], encoding="utf-8")
    package = tmp_path / "lexipix"
    package.mkdir()
    for name in ("__init__", "unlisted", *set().union(*LAYERS)):
        (package / f"{name}.py").touch()
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    paths = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    answer = subprocess.run(command, cwd=tmp_path, env=paths, capture_output=True, text=True, check=False)
    assert answer.returncode != 0 and "lexipix.unlisted" in answer.stdout, answer.stdout + answer.stderr
    (package / "unlisted.py").unlink()
    answer = subprocess.run(command, cwd=tmp_path, env=paths, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr

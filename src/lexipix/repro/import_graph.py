"""The modules of lexipix that functions and modules use: the code dependencies of DVC's stages."""

import ast
import importlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lexipix.utils.errors import LexipixError

SOURCE = "src/"
# Changes of these modules cannot change a result: they carry data, report progress, or check parameters whose
# values are dependencies of their own. The exceptions below them do decide results.
NEUTRAL = (
    "lexipix.utils",
    "lexipix.datasets",
    "lexipix.config.run",
    "lexipix.config.training",
)
NOT_NEUTRAL = ("lexipix.utils.seeding", "lexipix.datasets.sources")
# Where a training must not depend on the code of another; elsewhere this share of a folder counts as all
EXACT, MOST = "src/lexipix/training", 0.8
# Folders that a module reads beside its imports
RESOURCES = {"lexipix.reporting.report": "src/lexipix/reporting/templates"}


@cache
def used_modules(module: str) -> frozenset[str]:
    """A module and all modules of lexipix that it imports, directly or not, lazy imports included."""
    importlib.import_module(module)
    return frozenset({module, *_import_graph().find_upstream_modules(module)} - {"lexipix"})


def modules_of_function(module: str, name: str) -> frozenset[str]:
    """A function's module, and all modules that the function itself uses.

    Imports of its module that only other functions use do not count, since the functions of a ``nodes.py``
    run in different stages. Annotations do not count either.

    Args:
        module: The function's module.
        name: The function's name; a name that the module does not define counts as the whole module.
    """
    definitions, imports = _module_names(module)
    if name not in definitions:
        return used_modules(module)
    found, seen, names = {module}, set[str](), [name]
    while names:
        current = names.pop()
        if current in imports:
            found |= used_modules(imports[current])
        elif current in definitions and current not in seen:
            seen.add(current)
            for node in _walk_code(definitions[current]):
                if isinstance(node, ast.Name):
                    names.append(node.id)
                for imported in _imported(node).values():
                    found |= used_modules(imported)
    return frozenset(found)


def code_paths(project: Path, modules: Iterable[str]) -> list[str]:
    """The files of modules, relative to the project; a folder stands for its files if most of them are used.

    Training is exact: there, a folder stands for its files only if all of them are used.

    The ``__init__.py`` of a package does not count: ours contain no code.
    """
    used = {module for module in modules if not is_neutral(module)}
    files = {_file(project, module) for module in used}
    files |= {path for module, path in RESOURCES.items() if module in used}
    for folder in sorted({path.rpartition("/")[0] for path in files if path.endswith(".py")}, reverse=True):
        own = _python_files(project, folder)
        n_used = len(own & {file for path in files for file in _python_files(project, path)})
        share = 1 if folder.startswith(EXACT) else MOST
        if n_used >= max(2, share * len(own)):
            files = {path for path in files if not path.startswith(f"{folder}/")} | {folder}
    return sorted(files)


def is_neutral(module: str) -> bool:
    """Whether changes of a module cannot change a result."""
    return _is_within(module, NEUTRAL) and not _is_within(module, NOT_NEUTRAL)


@cache
def _module_names(module: str) -> tuple[dict[str, ast.stmt], dict[str, str]]:
    """A module's own definitions, and the modules of lexipix that its imported names come from."""
    definitions: dict[str, ast.stmt] = {}
    imports: dict[str, str] = {}
    source = Path(str(importlib.import_module(module).__file__)).read_text(encoding="utf-8")
    for statement in ast.parse(source).body:
        imports |= _imported(statement)
        if isinstance(statement, ast.FunctionDef | ast.ClassDef):
            definitions[statement.name] = statement
        elif isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            names = [node.id for one in targets for node in ast.walk(one) if isinstance(node, ast.Name)]
            definitions |= dict.fromkeys(names, statement)
    return definitions, imports


def _walk_code(node: ast.AST) -> Iterator[ast.AST]:
    """A node and everything within it but annotations."""
    yield node
    for field, value in ast.iter_fields(node):
        if field not in ("annotation", "returns"):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from _walk_code(child)


def _imported(node: ast.AST) -> dict[str, str]:
    """The names that an import statement binds to modules of lexipix or to something in them."""
    if not isinstance(node, ast.ImportFrom) or not str(node.module).startswith("lexipix"):
        return {}
    return {
        alias.asname or alias.name: submodule
        if (submodule := f"{node.module}.{alias.name}") in _import_graph().modules
        else str(node.module)
        for alias in node.names
    }


@cache
def _import_graph() -> Any:
    try:
        import grimp
    except ImportError as error:
        raise LexipixError(
            "The import graph needs grimp, which is not installed: pip install grimp."
        ) from error
    return grimp.build_graph("lexipix", cache_dir=None)


def _file(project: Path, module: str) -> str:
    stem = SOURCE + module.replace(".", "/")
    return f"{stem}/__init__.py" if (project / stem).is_dir() else f"{stem}.py"


def _python_files(project: Path, path: str) -> set[str]:
    """The file itself, or the Python files of a folder without ``__init__.py``."""
    if path.endswith(".py"):
        return {path}
    files = (project / path).rglob("*.py")
    return {file.relative_to(project).as_posix() for file in files if file.name != "__init__.py"}


def _is_within(module: str, packages: Iterable[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)

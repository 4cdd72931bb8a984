"""The modules of lexipix that functions and modules use: the code dependencies of DVC's stages."""

import ast
import importlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

# Changes of these modules cannot change a result: they carry data, report progress, or check parameters whose
# values are dependencies of their own. The exceptions below them do decide results.
NEUTRAL = ("lexipix.utils.", "lexipix.datasets.", "lexipix.config.run.", "lexipix.config.training.")
NOT_NEUTRAL = ("lexipix.utils.seeding.", "lexipix.datasets.sources.")
# Folders that a module reads beside its imports
RESOURCES = {"lexipix.reporting.report": "src/lexipix/reporting/templates"}


@cache
def used_modules(module: str) -> frozenset[str]:
    """A module and all modules of lexipix that it imports, directly or not, lazy imports included."""
    return frozenset({module, *_import_graph().find_upstream_modules(module)} - {"lexipix"})


def modules_of_function(module: str, name: str) -> frozenset[str]:
    """A function's module, and all modules that the function itself uses.

    Imports of its module that only other functions use do not count, since the functions of a ``nodes.py``
    run in different stages. A name that the module does not define counts as the whole module.
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
            for node in ast.walk(definitions[current]):
                if isinstance(node, ast.Name):
                    names.append(node.id)
                for imported in _imported(node).values():
                    found |= used_modules(imported)
    return frozenset(found)


def code_paths(project: Path, modules: Iterable[str]) -> list[str]:
    """The files of modules (packages contain no code), and the folders that they read, in the project."""
    used = {
        module
        for module in modules
        if not f"{module}.".startswith(NEUTRAL) or f"{module}.".startswith(NOT_NEUTRAL)
    }
    files = (f"src/{module.replace('.', '/')}.py" for module in used)
    folders = (folder for module, folder in RESOURCES.items() if module in used)
    return sorted({*folders, *(file for file in files if (project / file).is_file())})


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
    import grimp

    return grimp.build_graph("lexipix", cache_dir=None)

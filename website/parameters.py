"""The page of all parameters: types and ranges from pydantic, defaults and comments from ``conf``."""

import re
from collections.abc import Iterator, Mapping
from functools import reduce
from inspect import get_annotations
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from lexipix.config.root import LexipixParameters, default_place

ENVIRONMENTS = ("smoke", "cifar10", "folder")
LINE = re.compile(
    r"(?P<indent> *)(?:(?P<key>\w+):|- (?P<item>.+?)(?= +#|$))?.*?(?:(?:^|(?<= ))# ?(?P<comment>.*))?"
)
TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "`true` or `false`"}


def parameters_page(conf: Path) -> str:
    """Returns the page in Markdown; ``conf`` is the folder of the environments."""
    schema = LexipixParameters.model_json_schema()
    models = dict(_models(LexipixParameters))
    files = {section: conf.parent / default_place(section) for section in LexipixParameters.model_fields}
    base = {section: yaml.safe_load(file.read_text("utf-8"))[section] for section, file in files.items()}
    comments = {
        key: text for file in files.values() for key, text in read_comments(file.read_text("utf-8")).items()
    }
    of_field = {
        _owner(models[parent], name): comment
        for key, comment in reversed(comments.items())
        for parent, _, name in [key.rpartition(".")]
        if parent in models
    }
    others = {env: _environment(conf / env) for env in ENVIRONMENTS}
    lines = [
        "# Parameters",
        "",
        "All parameters, with the defaults of `conf/base`. A name in front of a value is an environment "
        "that overrides it. `--params=KEY=VALUE` changes a parameter for one run.",
    ]
    for prefix, model in models.items():
        if not prefix:
            continue
        fields = [name for name in model.model_fields if f"{prefix}.{name}" not in models]
        if not fields:
            continue
        lines += ["", f"{'##' if '.' not in prefix else '###'} `{prefix}`", "", _sentence(model), ""]
        lines += ["| key | default | allowed | meaning |", "|---|---|---|---|"]
        for name in fields:
            key = f"{prefix}.{name}"
            values = [_code(_value(base, key))]
            values += [f"{env} {_code(_value(own, key))}" for env, own in others.items() if _has(own, key)]
            allowed = describe(_schema_of(schema, key), schema)
            meaning = comments.get(key) or of_field.get(_owner(model, name), "")
            cells = (f"`{name}`", "<br>".join(values), allowed, meaning)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def read_comments(text: str) -> dict[str, str]:
    """Returns the comments of a file of parameters by the full keys beside which or below which they are.

    Comments of a list's items start with the item.
    """
    found: dict[str, str] = {}
    keys: list[tuple[int, str]] = []
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        assert match is not None  # every line has an indentation, if of no character
        indent, comment = len(match["indent"]), match["comment"]
        if match["key"]:
            keys = [*((depth, key) for depth, key in keys if depth < indent), (indent, match["key"])]
        full = ".".join(key for _, key in keys)
        if comment and match["item"]:
            comment = f"`{match['item']}`: {comment}"
            found[full] = f"{found[full]}; {comment}" if full in found else comment
        elif comment and keys:
            found[full] = f"{found[full]} {comment}" if full in found else comment
    return found


def describe(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Returns in words which values the JSON schema of a parameter allows."""
    field = _resolved(field, schema)
    if "anyOf" in field:
        return " or ".join(describe(one, schema) for one in field["anyOf"])
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    kind = str(field.get("type"))
    if kind == "null":
        return "`null`"
    if kind == "array":
        items = field.get("items") or field["prefixItems"][0]
        return f"list of: {describe(items, schema)}"
    if kind == "object":
        return "mapping"
    words = [TYPES[kind]]
    for key, phrase in (
        ("minimum", "at least {}"), ("exclusiveMinimum", "above {}"), ("maximum", "at most {}"),
        ("exclusiveMaximum", "below {}"), ("multipleOf", "a multiple of {}"),
    ):  # fmt: skip
        if key in field:
            value = field[key]
            words.append(phrase.format(f"{value:,}" if isinstance(value, int) else f"{value:g}"))
    return ", ".join(words)


def _models(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    yield prefix, model
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _models(field.annotation, f"{prefix}.{name}".removeprefix("."))


def _owner(model: type[BaseModel], name: str) -> tuple[type, str]:
    """The class that declares a field: every training shares the meaning of its keys."""
    return next(base for base in reversed(model.__mro__) if name in get_annotations(base)), name


def _sentence(model: type[BaseModel]) -> str:
    text = (model.__doc__ or "").strip().split("\n\n")[0]
    return re.sub(r" \(``[^`]*``\)\.$", ".", " ".join(text.split())).replace("``", "`")


def _environment(folder: Path) -> dict[str, Any]:
    trees = [yaml.safe_load(file.read_text("utf-8")) or {} for file in sorted(folder.glob("parameters*.yml"))]
    return {section: values for tree in trees for section, values in tree.items()}


def _value(tree: Mapping[str, Any], key: str) -> Any:
    return reduce(lambda node, name: node[name], key.split("."), tree)


def _has(tree: Any, key: str) -> bool:
    for name in key.split("."):
        if not isinstance(tree, Mapping) or name not in tree:
            return False
        tree = tree[name]
    return True


def _schema_of(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    return reduce(lambda node, name: _resolved(node, schema)["properties"][name], key.split("."), schema)


def _resolved(node: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    resolved: Mapping[str, Any] = schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
    return resolved


def _code(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return f"`{yaml.safe_dump(value).splitlines()[0]}`"
    if isinstance(value, str):
        return f"`{value}`"
    flow = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return f"`{flow.splitlines()[0]}`"

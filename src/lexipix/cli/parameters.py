"""``--params``: what the user typed, read by the type of each parameter.

Kedro reads every value as YAML: a folder ``/data/set #2`` would become ``/data/set``, and ``007`` a number.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.framework.cli.project import run as kedro_run
from kedro.utils import find_kedro_project
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from lexipix.config.root import LexipixParameters
from lexipix.config.text_keys import text_key
from lexipix.utils.project_paths import exists

# A comma ends a value only if a key and = follow it
_NEXT = re.compile(r",\s*(?=(\w[\w.]*)\s*=)")
_OPEN, _CLOSE = "[{(", "]})"


TYPED = ("params", "runner_params")


class _TypedOption(click.Option):
    """An option that may be given several times, and a mapping or text in the file of ``--config``."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        if isinstance(value, dict | str):
            return value
        return super().type_cast_value(ctx, value)


def typed_option(name: str) -> click.Parameter:
    """Kedro's option ``--params`` or ``--runner-params``, which reads text as it was typed."""
    known = next(option for option in kedro_run.params if option.name == name)
    assert isinstance(known, click.Option)
    return _TypedOption(known.opts, multiple=True, type=click.UNPROCESSED, help=known.help, callback=_read)


def read_params(text: str, project: Path | None = None, folder: Path | None = None) -> dict[str, Any]:
    """The nested parameters of ``key=value,key=value``.

    Text is taken verbatim, and commas stay in it and within brackets; other values are YAML. A relative path
    that exists in ``folder``, where the user is, but not in ``project``, becomes the path in ``folder``.

    Raises:
        ValueError: A part is not ``key=value``, or a value is no YAML.
    """
    tree: dict[str, Any] = {}
    for part in _split(text):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals or not key:
            raise ValueError(f"{part.strip()!r} is not KEY=VALUE, such as run.seed=7")
        found = _value(key, value)
        known = text_key(key)
        if known is not None and known.is_path and isinstance(found, str) and project and folder:
            found = _located(found, project, folder)
        _put(tree, key, _verbatim(found))
    return tree


def _read(context: click.Context, option: click.Parameter, value: Any) -> dict[str, Any]:
    if isinstance(value, dict):  # from the file of --config
        return value
    folder, together = Path.cwd(), dict[str, Any]()
    try:
        for text in (value,) if isinstance(value, str) else value:
            _merge(together, read_params(text, find_kedro_project(folder), folder))
    except ValueError as error:
        raise click.BadParameter(f"{error}.", context, option) from error
    return together


def _merge(tree: dict[str, Any], other: dict[str, Any], prefix: str = "") -> None:
    for key, value in other.items():
        known = tree.setdefault(key, value)
        if isinstance(known, dict) and isinstance(value, dict):
            _merge(known, value, f"{prefix}{key}.")
        elif known != value:
            raise ValueError(f"{prefix}{key} is given twice, with different values: give it once")


def _split(text: str) -> Iterator[str]:
    start = 0
    for comma in _NEXT.finditer(text):
        value = text[start : comma.start()]
        key = value.partition("=")[0].strip()
        if _ends(key, value, comma[1]):
            yield value
            start = comma.end()
    if text[start:].strip():
        yield text[start:]


def _ends(key: str, value: str, following: str) -> bool:
    """Whether a value ends before ``following`` and ``=``, which may also be a part of it."""
    known = text_key(key)
    if known is None or known.has_items:
        return sum(map(value.count, _OPEN)) <= sum(map(value.count, _CLOSE))
    return "." in following or following in LexipixParameters.model_fields


def _value(key: str, text: str) -> Any:
    known = text_key(key)
    if known is not None and not known.has_items:
        if known.is_nullable and text.strip() == "null":
            return None
        return text.strip() if known.is_choice else text
    try:
        if known is not None:
            return yaml.load(text, yaml.BaseLoader)  # noqa: S506 - it makes text of everything, and no objects
        return OmegaConf.to_container(OmegaConf.from_dotlist([f"value={text}"]))["value"]  # type: ignore[index, call-overload]
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        reason = getattr(error, "problem", None) or " ".join(str(error).split())[:100]
        raise ValueError(f"{key} = {text!r} is not valid YAML ({reason}): put text in quotes") from error


def _located(text: str, project: Path, folder: Path) -> str:
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # ~NAME of an unknown user
        return text
    if exists(project / path) or not exists(folder / path):
        return text
    found = (folder / path).resolve()
    inside = found.is_relative_to(project.resolve())
    return found.relative_to(project.resolve()).as_posix() if inside else str(found)


def _verbatim(value: Any) -> Any:
    """A value in which Kedro's configuration finds no reference ``${…}`` to resolve."""
    if isinstance(value, str):
        return re.sub(r"(\\*)\$\{", r"\1\1\\${", value)
    if isinstance(value, list):
        return [_verbatim(item) for item in value]
    return {key: _verbatim(item) for key, item in value.items()} if isinstance(value, dict) else value


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *groups, name = key.split(".")
    for group in groups:
        tree = tree.setdefault(group, {})
        if not isinstance(tree, dict):
            raise ValueError(f"{key} contradicts the value given for {group}: give one of them")
    tree[name] = value

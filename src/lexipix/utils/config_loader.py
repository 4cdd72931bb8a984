"""Kedro's configuration, in which a mistake is one sentence that names the file and the line."""

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import yaml
from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import DictConfig, OmegaConf

from lexipix.utils.errors import LexipixError, reason

_DUPLICATES = "Duplicate keys found"  # begins what Kedro says of a key in two files


class MissingConfigError(LexipixError, MissingConfigException):
    """A configuration that is not there; Kedro does without one of credentials, and of globals."""


class ConfigLoader(OmegaConfigLoader):
    """Reads the configuration as Kedro does.

    Raises:
        LexipixError: A file cannot be read, a key is set twice, or a reference ``${…}`` leads nowhere.
    """

    def __init__(self, conf_source: str | Path, *arguments: Any, **options: Any) -> None:
        try:
            super().__init__(conf_source, *arguments, **options)
        except LexipixError:
            raise
        except Exception as error:  # an archive, or an address
            raise LexipixError(
                f"The configuration {conf_source} cannot be read ({reason(error)}): give --conf-source a "
                "folder like the project's conf, or an archive of one."
            ) from error

    def __getitem__(self, key: str) -> dict[str, Any]:
        if key not in self.config_patterns:
            return super().__getitem__(key)
        try:
            return super().__getitem__(key)
        except MissingConfigException as error:
            raise MissingConfigError(self._missing(key)) from error
        except Exception as error:
            raise LexipixError(self._explain(key, error)) from error

    def _places(self) -> list[str]:
        """The folders of the base environment and of the chosen one."""
        names = dict.fromkeys((self.base_env, self.env or self.default_run_env))
        return [self._get_conf_env_path(name) for name in names]

    def _missing(self, key: str) -> str:
        place = next((place for place in self._places() if not self._fs.isdir(place)), None)
        if place is None:
            return f"There is no file of {key} in {' or '.join(self._places())}, such as {key}.yml: add one."
        return (
            f"The configuration folder {place} does not exist: create it (it may be empty) or restore it, or "
            "choose another environment with --env or another configuration with --conf-source."
        )

    def _explain(self, key: str, error: Exception) -> str:
        files = list(self._files(key))
        for path in files:
            if wrong := self._wrong(path):
                return f"{path}{wrong}."
        if str(error).startswith(_DUPLICATES):
            return (
                f"{str(error).splitlines()[0]}. Set each key in one file of a folder: remove one of the two, "
                "or the file if it is a copy."
            )
        if full_key := getattr(error, "full_key", None):
            parts = str(full_key).partition("[")[0].split(".")
            for path in reversed(files):  # the chosen environment overrides the base one
                if (line := _line_of(yaml.compose(self._text(path)), parts)) is not None:
                    return f"{path}, line {line}: {full_key} cannot be resolved ({reason(error)})."
        return f"The {key} of {self.conf_source} cannot be read ({reason(error)})."

    def _files(self, key: str) -> Iterator[str]:
        """The files of a kind of configuration, those of the base environment first."""
        patterns = (f"{place}/{pattern}" for place in self._places() for pattern in self.config_patterns[key])
        for path in dict.fromkeys(str(path) for pattern in patterns for path in self._fs.glob(pattern)):
            if self._is_valid_config_path(Path(path)) and not self._is_hidden(path):
                yield path

    def _text(self, path: str) -> str:
        with self._fs.open(path) as file:
            return str(file.read().decode("utf-8"))

    def _wrong(self, path: str) -> str | None:
        """What is wrong with a file by itself, with its line where it is known; None if nothing is."""
        try:
            content = OmegaConf.load(StringIO(self._text(path)))
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f", line {mark.line + 1}" if mark is not None else ""
            return f"{where} is not valid YAML ({error.problem or error.context})"
        except UnicodeDecodeError as error:
            return f" is not encoded in UTF-8 (byte {error.start}): save it as UTF-8"
        except PermissionError:
            return " cannot be read (permission denied): check its owner and permissions"
        except Exception as error:
            return f" is not valid ({reason(error)})"
        return None if isinstance(content, DictConfig) else " holds a list: write keys with values"


def _line_of(node: yaml.Node | None, key: Sequence[str]) -> int | None:
    """The line of a key in nested mappings, from 1; None if they lack it."""
    for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if name.value == key[0]:
            return int(name.start_mark.line) + 1 if len(key) == 1 else _line_of(value, key[1:])
    return None

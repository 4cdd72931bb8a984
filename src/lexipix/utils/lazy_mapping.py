"""A mapping whose values are created when they are first asked for."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

V = TypeVar("V")


class LazyMapping(Mapping[str, V]):
    """Values by name; ``create`` is called once for each name that is asked for."""

    def __init__(self, names: Iterable[str], create: Callable[[str], V]) -> None:
        self._names, self._create = tuple(names), cache(create)

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross to another process as names and function, without the values."""
        return type(self), (self._names, self._create.__wrapped__)

    def __getitem__(self, name: str) -> V:
        if name not in self._names:
            raise KeyError(name)
        return self._create(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

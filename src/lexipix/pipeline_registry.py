"""The project's pipelines by name."""

from collections.abc import Iterator, Mapping
from importlib import import_module

from kedro.pipeline import Pipeline

from lexipix.tracking.lineage import PIPELINE_ORDER

DEFAULT = "__default__"


class LazyPipelines(Mapping[str, Pipeline]):
    """Makes a pipeline when it is first asked for.

    ``kedro run --pipelines ingestion`` needs no torch and does not wait for it. The names are listed rather
    than discovered: Kedro's ``find_pipelines()`` gives only the pipelines named on the command line, which
    breaks every pipeline that is composed of others.
    """

    def __init__(self) -> None:
        self._made: dict[str, Pipeline] = {}

    def __getitem__(self, name: str) -> Pipeline:
        if name not in self._made:
            self._made[name] = self._make(name)
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        yield from (DEFAULT, *PIPELINE_ORDER)

    def __len__(self) -> int:
        return 1 + len(PIPELINE_ORDER)

    def _make(self, name: str) -> Pipeline:
        if name == DEFAULT:
            return sum((self[part] for part in PIPELINE_ORDER if part != "generation"), start=Pipeline([]))
        if name not in PIPELINE_ORDER:
            raise KeyError(name)
        pipeline: Pipeline = import_module(f"lexipix.pipelines.{name}.pipeline").create_pipeline()
        return pipeline


def register_pipelines() -> Mapping[str, Pipeline]:
    """Give every pipeline by name; ``__default__`` is all but ``generation``."""
    return LazyPipelines()

"""The project's pipelines by name."""

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module

from kedro.pipeline import Pipeline

from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER


class LazyPipelines(Mapping[str, Pipeline]):
    """The pipelines by name, each created when it is first asked for.

    ``kedro run --pipelines ingestion`` then imports no torch. The names are listed, not discovered: Kedro's
    ``find_pipelines()`` returns only the pipelines named on the command line, which breaks pipelines that are
    composed of others.
    """

    def __getitem__(self, name: str) -> Pipeline:
        if name not in (DEFAULT, *PIPELINE_ORDER):
            raise KeyError(name)
        return _create(name)

    def __iter__(self) -> Iterator[str]:
        return iter((DEFAULT, *PIPELINE_ORDER))

    def __len__(self) -> int:
        return 1 + len(PIPELINE_ORDER)


@cache
def _create(name: str) -> Pipeline:
    if name == DEFAULT:
        return sum((_create(part) for part in PIPELINE_ORDER if part != "generation"), start=Pipeline([]))
    pipeline: Pipeline = import_module(f"lexipix.pipelines.{name}.pipeline").create_pipeline()
    return pipeline


def register_pipelines() -> Mapping[str, Pipeline]:
    """Every pipeline by name; ``__default__`` is all but ``generation``."""
    return LazyPipelines()

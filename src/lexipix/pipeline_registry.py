"""The project's pipelines by name."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module

from kedro.pipeline import Pipeline

from lexipix.config.pipelines import DEFAULT, PIPELINE_ORDER
from lexipix.utils.lazy_mapping import LazyMapping


def register_pipelines() -> Mapping[str, Pipeline]:
    """Every pipeline by name; ``__default__`` is all but ``generation``.

    Each is created when it is first asked for: ``kedro run --pipelines ingestion`` then imports no torch. The
    names are listed, not discovered: Kedro's ``find_pipelines()`` returns only the pipelines named on the
    command line, which breaks pipelines that are composed of others.
    """
    return LazyMapping((DEFAULT, *PIPELINE_ORDER), _create)


@cache
def _create(name: str) -> Pipeline:
    if name == DEFAULT:
        return sum((_create(part) for part in PIPELINE_ORDER if part != "generation"), start=Pipeline([]))
    pipeline: Pipeline = import_module(f"lexipix.pipelines.{name}.pipeline").create_pipeline()
    return pipeline

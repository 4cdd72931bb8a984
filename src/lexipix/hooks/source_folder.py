"""The folder of images that a run reads: named in the log, and never the project itself or its results."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline

from lexipix.config.root import validate
from lexipix.config.text_keys import SOURCE_PATH
from lexipix.datasets.sources.hub import is_repository
from lexipix.utils.errors import LexipixError
from lexipix.utils.project_paths import is_absent

_log = logging.getLogger(__name__)
SOURCES = "sources"  # the dataset that reads them


class SourceFolderHooks:
    """Checks ``ingestion.source.path`` before a run that reads images."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        self._project = Path(context.project_path)

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, pipeline: Pipeline, catalog: DataCatalog) -> None:
        """Log the folder; raise a LexipixError if it does not exist or holds the project or its results."""
        if SOURCES not in pipeline.inputs():
            return
        source = validate(catalog.load("parameters")).ingestion.source
        if source.kind == "scenes" or source.path is None:
            return
        if source.kind == "folder" and is_repository(source.path, self._project):
            return
        folder = located(source.path, self._project, Path.cwd())
        if source.kind == "folder":
            require_images_only(folder, self._project, _written(pipeline, catalog))
        _log.info("Reading images from %s (%s = %s)", os.path.realpath(folder), SOURCE_PATH, source.path)


def located(path: str, project: Path, working: Path) -> Path:
    """The absolute place of a source; a relative one starts at the project.

    Raises:
        LexipixError: There is nothing, and the user may have meant a place in the folder ``working``.
    """
    try:
        place = project / Path(path).expanduser()
    except RuntimeError as error:
        raise LexipixError(
            f"{SOURCE_PATH} = {path!r} names an unknown user: give an absolute path."
        ) from error
    if is_absent(place) and working.resolve() != project.resolve():
        raise LexipixError(
            f"{SOURCE_PATH} = {path!r} is neither in the project ({place}) nor in the current folder "
            f"({working / path}): give the absolute path of your images."
        )
    return place


def require_images_only(folder: Path, project: Path, written: Iterator[Path]) -> None:
    """Raise a LexipixError if a source holds the project, its configuration, or files that the run writes."""
    root = Path(os.path.realpath(folder))  # resolve() fails for a link to itself
    for place in ((project / "conf").resolve(), *written):
        if place.is_relative_to(root):
            raise LexipixError(
                f"{SOURCE_PATH} is {folder}, which also holds {place}: reports and results would be taken "
                "for your images. Give the folder that holds only your images; an absolute path works from "
                "any folder."
            )


def _written(pipeline: Pipeline, catalog: DataCatalog) -> Iterator[Path]:
    for name in pipeline.all_outputs():
        entry: Any = catalog.config_resolver.resolve_pattern(name)
        if path := entry.get("filepath"):
            yield Path(path).resolve()

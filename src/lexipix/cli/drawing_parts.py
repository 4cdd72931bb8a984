"""``kedro generate`` on an engine: the images of a long list of prompts, in parts."""

import secrets
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lexipix.cli.project_context import ProjectContext
from lexipix.engines.base import Engine
from lexipix.engines.dataset import choose_engine, close_engine
from lexipix.inference.best_of import BestOfResult
from lexipix.inference.image_request import ImageOptions, ImageRequest

if TYPE_CHECKING:
    from lexipix.inference.text_to_image_pipeline import TextToImagePipeline

PART_IMAGES = 4096  # whole batches of every number of candidates


def drawn_by_engine(
    request: ImageRequest, context: ProjectContext, project_path: Path, env: str | None, model: str
) -> Iterator[BestOfResult]:
    """Yield what ``request.batches()`` yields, drawn by the workers of the project's engine."""
    choose_engine(context.parameters.engine)
    try:
        yield from drawn_in_parts(request, context.load("engine"), project_path, env, model)
    finally:
        close_engine()


def drawn_in_parts(
    request: ImageRequest, engine: Engine, project_path: Path, env: str | None, model: str
) -> Iterator[BestOfResult]:
    """Yield what ``request.batches()`` yields, drawn by the engine's workers."""
    n, total = request.options.num_images, len(request)
    parts = []
    for start in range(0, total, PART_IMAGES):
        stop, first = min(start + PART_IMAGES, total), start // n
        prompts = [prompt.text for prompt in request.prompts[first : -(-stop // n)]]
        parts.append((prompts, start - first * n, stop - first * n))
    key = f"generated/{secrets.token_hex(8)}"
    for rows in engine.contents(key, _draw_part, parts, project_path, env, model, request.options):
        yield BestOfResult(*(rows[name] for name in BestOfResult._fields))


def _draw_part(
    part: tuple[Sequence[str], int, int],
    project_path: Path,
    env: str | None,
    model: str,
    options: ImageOptions,
) -> NDArray[Any]:
    """The fields of :class:`BestOfResult` for the images of prompts from a number up to another."""
    prompts, start, stop = part
    request = _pipeline(project_path, env, model).request(prompts, options)
    batches = list(request.batches(start, stop))
    columns = [np.concatenate(values) for values in zip(*batches, strict=True)]
    fields = zip(BestOfResult._fields, columns, strict=True)
    rows = np.empty(stop - start, [(name, one.dtype, one.shape[1:]) for name, one in fields])
    for name, column in zip(BestOfResult._fields, columns, strict=True):
        rows[name] = column
    return rows


@cache
def _pipeline(project_path: Path, env: str | None, model: str) -> "TextToImagePipeline":
    return ProjectContext(project_path, env).text_to_image(model)

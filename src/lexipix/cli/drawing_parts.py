"""``kedro generate`` on an engine: the images of a long list of prompts, in parts."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import astuple
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lexipix.cli.project_context import ProjectContext
from lexipix.engines.base import Engine, row_parts
from lexipix.engines.dataset import choose_engine, close_engine
from lexipix.inference.best_of import BestOfResult
from lexipix.inference.image_request import ImageOptions, ImageRequest
from lexipix.repro.digests import dvc_digest

if TYPE_CHECKING:
    from lexipix.inference.text_to_image_pipeline import TextToImagePipeline


def drawn_by_engine(
    request: ImageRequest, context: ProjectContext, project_path: Path, env: str | None, model: str
) -> Iterator[BestOfResult]:
    """Yield what ``request.batches()`` yields, drawn by the workers of the project's engine.

    A request of a single part is drawn here: starting a cluster would take longer.
    """
    n, parts = request.options.num_images, []
    for rows in row_parts(len(request)):
        start, stop = int(rows[0]), int(rows[-1]) + 1
        first = start // n
        prompts = [prompt.text for prompt in request.prompts[first : -(-stop // n)]]
        parts.append((prompts, start - first * n, stop - first * n))
    if len(parts) == 1:
        yield from request.batches()
        return
    choose_engine(context.parameters.engine)
    try:
        engine: Engine = context.load("engine")
        key = partial(_key, request, context, model)
        for drawn in engine.contents(key, _draw_part, parts, project_path, env, model, request.options):
            yield BestOfResult(*(drawn[name] for name in BestOfResult._fields))
    finally:
        close_engine()


def _key(request: ImageRequest, context: ProjectContext, model: str) -> str:
    """The folder for parts: that of the same prompts and options, drawn by the same model."""
    prompts = [prompt.text for prompt in request.prompts]
    content = hashlib.sha256(json.dumps([prompts, astuple(request.options), model]).encode())
    own = "tokens" if model == "tokens" else f"onnx_{model}"
    for folder in map(context.path, ["champion"] if model == "champion" else [own, "onnx_scorer"]):
        content.update(dvc_digest(folder).encode())
    return f"generated/{content.hexdigest()[:32]}"


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
    columns = BestOfResult(*(np.concatenate(values) for values in zip(*batches, strict=True)))._asdict()
    rows = np.empty(stop - start, [(name, one.dtype, one.shape[1:]) for name, one in columns.items()])
    for name, column in columns.items():
        rows[name] = column
    return rows


@cache
def _pipeline(project_path: Path, env: str | None, model: str) -> "TextToImagePipeline":
    return ProjectContext(project_path, env).text_to_image(model)

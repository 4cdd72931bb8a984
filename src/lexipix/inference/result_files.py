"""The files of ``kedro generate``: images, a contact sheet, and a list of what each image is."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Any

import numpy as np

from lexipix.inference.best_of import BestOfResult
from lexipix.inference.image_request import ImageRequest
from lexipix.inference.onnx_session import Pixels
from lexipix.reporting.contact_sheet import contact_sheet

MAX_ON_SHEET = 64


def result_files(
    request: ImageRequest, batches: Iterable[BestOfResult] | None = None
) -> Iterator[tuple[str, Any]]:
    """File names and contents of a folder of results, one after another; images are drawn on the way.

    ``batches`` are those of the request, if something else draws them.

    The images come first, uint8 (S, S, 3). Then comes ``sheet.png``, the first images enlarged and with their
    prompts. Then comes ``generated.jsonl`` with a row for each image: file, prompt, seed, index (which of the
    prompt's images), model, score (null without a scorer), candidates (how many were drawn) and candidate
    (which of them was kept, from 0).
    """
    options, total = request.options, len(request)
    digits = max(4, len(str(total - 1)))
    numbers = count()
    first: list[Pixels] = []
    choices = []  # without images, so that memory does not grow with them
    for batch in request.batches() if batches is None else batches:
        first.extend(batch.images[: MAX_ON_SHEET - len(first)])
        for image in batch.images:
            yield f"{next(numbers):0{digits}d}.png", image
        choices.append(zip(batch.scores, batch.drawn, batch.chosen, strict=True))
    best = f", the best of {options.candidates}" if options.candidates > 1 else ""
    more = f", the first {MAX_ON_SHEET} of {total:,}" if total > MAX_ON_SHEET else ""
    yield (
        "sheet.png",
        result_sheet(
            first,
            [request.prompt(number) for number in range(len(first))],
            f"{request.model}, seed {options.seed}{best}{more}",
            columns=min(8, max(4, options.num_images)),
        ),
    )
    rows = (
        {
            "file": f"{number:0{digits}d}.png",
            "prompt": request.prompt(number),
            "seed": options.seed,
            "index": number % options.num_images,
            "model": request.model,
            "score": None if np.isnan(score) else round(float(score), 4),
            "candidates": int(drawn),
            "candidate": int(chosen),
        }
        for number, (score, drawn, chosen) in enumerate(chain.from_iterable(choices))
    )
    yield "generated.jsonl", rows


def result_sheet(images: Sequence[Pixels], captions: Sequence[str], title: str, columns: int = 5) -> Pixels:
    """Images, uint8 (S, S, 3), enlarged to about 128 pixels, with captions: uint8 (height, width, 3)."""
    scale = max(1, 128 // images[0].shape[0])
    return contact_sheet(np.stack(images), captions, columns=columns, scale=scale, title=title)

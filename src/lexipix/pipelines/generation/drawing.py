"""Words to pictures: every prompt some times, scored, and a sheet to look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.errors import LexipixError
from lexipix.pipelines.generation.models import Drawer, Pixels, Scorer, noise_of, on_all_cores
from lexipix.reporting.sheet import contact_sheet

MAX_ON_SHEET = 64
SHEET_PIXELS = 128  # a picture on a sheet is enlarged to about this


def draw(drawer: Drawer, prompts: Sequence[str], n: int, seed: int) -> Pixels:
    """Draw ``n`` pictures of each prompt.

    Picture i of a prompt depends on the model, the prompt, the seed and i, and on nothing else: not on ``n``,
    the other prompts or the machine's cores. All prompts share the noise of their i-th pictures, so that what
    differs between them is what the words say.

    Returns:
        uint8 (len(prompts) * n, S, S, 3), prompt by prompt.
    """
    noise = np.stack([noise_of(seed, index, drawer.noise_width)[0] for index in range(n)])
    return drawer.draw([prompt for prompt in prompts for _ in range(n)], np.tile(noise, (len(prompts), 1)))


def agreement(scorer: Scorer, images: Pixels, texts: Sequence[str]) -> NDArray[np.float64]:
    """Cosine between each picture and its text: (N,) in [-1, 1]."""
    vectors = {text: scorer.text_vector(text) for text in dict.fromkeys(texts)}

    def one(pair: tuple[Pixels, str]) -> float:
        return float(scorer.image_vector(pair[0]) @ vectors[pair[1]])

    return np.array(on_all_cores(one, list(zip(images, texts, strict=True))), np.float64)


@dataclass(frozen=True)
class Drawn:
    """Pictures with all that was known when they were drawn.

    Attributes:
        images: uint8 (N, S, S, 3).
        rows: One for each picture: file, prompt, seed, index (which of the prompt's pictures), model, score
            (of picture against prompt; null without a scorer).
        sheet: uint8 (height, width, 3), the first of them enlarged, with captions.
    """

    images: Pixels
    rows: list[dict[str, Any]]
    sheet: Pixels

    def files(self) -> dict[str, Any]:
        """File name -> content, as a folder of results holds them."""
        pictures = {row["file"]: image for row, image in zip(self.rows, self.images, strict=True)}
        return {**pictures, "sheet.png": self.sheet, "generated.jsonl": self.rows}


def draw_and_score(
    drawer: Drawer,
    scorer: Scorer | None,
    prompts: Sequence[str],
    n: int,
    seed: int,
    model: str,
    max_pictures: int,
) -> Drawn:
    """Draw prompts, score every picture against its prompt and lay out a sheet.

    Raises:
        LexipixError: There are more pictures than ``max_pictures``.
    """
    if len(prompts) * n > max_pictures:
        raise LexipixError(
            f"{len(prompts):,} prompts with {n:,} pictures each are {len(prompts) * n:,} pictures, more than "
            f"generation.max_pictures = {max_pictures:,}: draw fewer at a time, or raise the parameter."
        )
    images = draw(drawer, prompts, n, seed)
    texts = [prompt for prompt in prompts for _ in range(n)]
    scores = agreement(scorer, images, texts) if scorer is not None else [None] * len(texts)
    digits = max(4, len(str(len(texts) - 1)))
    rows = [
        {
            "file": f"{number:0{digits}d}.png",
            "prompt": text,
            "seed": seed,
            "index": number % n,
            "model": model,
            "score": None if score is None else round(float(score), 4),
        }
        for number, (text, score) in enumerate(zip(texts, scores, strict=True))
    ]
    few = images[:MAX_ON_SHEET]
    more = f", the first {MAX_ON_SHEET} of {len(images):,}" if len(images) > MAX_ON_SHEET else ""
    sheet = contact_sheet(
        few, texts[:MAX_ON_SHEET], columns=min(8, max(4, n)), scale=enlargement(drawer.image_size),
        title=f"{model}, seed {seed}{more}",
    )  # fmt: skip
    return Drawn(images, rows, sheet)


def enlargement(image_size: int) -> int:
    """Whole-number factor that makes a picture large enough to be looked at."""
    return max(1, SHEET_PIXELS // image_size)

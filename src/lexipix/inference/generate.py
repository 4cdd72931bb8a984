"""Words to pictures: every prompt some times, scored, and a sheet to look at."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lexipix.inference.best_of import BestOfConfig, BestOfResult, best_of
from lexipix.inference.onnx_models import IN_MEMORY, OnnxGenerator, Pixels, Scorer
from lexipix.reporting.contact_sheet import contact_sheet
from lexipix.utils.errors import LexipixError

MAX_ON_SHEET = 64
SHEET_PIXELS = 128  # a picture on a sheet is enlarged to about this


@dataclass(frozen=True)
class GeneratedImages:
    """Pictures of prompts, drawn and scored as they are asked for, so that memory does not grow with them.

    Picture i of a prompt depends on the model, the prompt, the seed, i and the effort, and on nothing else:
    not on ``n``, the other prompts or the machine's cores.

    Attributes:
        drawer: Draws.
        scorer: Scores pictures against their prompts; None leaves the score open.
        prompts: What is drawn.
        n: Pictures of each prompt.
        seed: Of the noise.
        model: Its name, for the list and the sheet.
        effort: How many candidates there are of each picture; more than one need a scorer.
    """

    drawer: OnnxGenerator
    scorer: Scorer | None
    prompts: Sequence[str]
    n: int
    seed: int
    model: str
    effort: BestOfConfig = field(default_factory=BestOfConfig)

    def __len__(self) -> int:
        return len(self.prompts) * self.n

    def files(self) -> Iterator[tuple[str, Any]]:
        """File names and contents as a folder of results holds them, one after another.

        The pictures come first, uint8 (S, S, 3); then ``sheet.png``, the first of them enlarged and with
        captions; then ``generated.jsonl``, a line for each picture: file, prompt, seed, index (which of the
        prompt's pictures), model, score (null without a scorer), candidates (how many were drawn for it) and
        candidate (which of these it is, from 0).
        """
        figures: list[tuple[int, BestOfResult]] = []  # without the pictures
        first: list[Pixels] = []
        with ThreadPoolExecutor(1) as ahead:  # the next pictures are drawn while these are put away
            coming = ahead.submit(self._block, 0)
            for start in range(0, len(self), IN_MEMORY):
                chosen = coming.result()
                if start + IN_MEMORY < len(self):
                    coming = ahead.submit(self._block, start + IN_MEMORY)
                first.extend(chosen.images[: MAX_ON_SHEET - len(first)])
                yield from ((self._file(number), image) for number, image in enumerate(chosen.images, start))
                figures.append((start, chosen._replace(images=chosen.images[:0])))
        yield "sheet.png", self._sheet(first)
        yield "generated.jsonl", (row for block in figures for row in self._rows(*block))

    def _block(self, start: int) -> BestOfResult:
        """Pictures from ``start`` on, with their scores, open without a scorer."""
        numbers = np.arange(start, min(start + IN_MEMORY, len(self)))
        texts = [self.prompts[number // self.n] for number in numbers.tolist()]
        return best_of(self.drawer, self.scorer, texts, numbers % self.n, self.seed, self.effort)

    def _file(self, number: int) -> str:
        return f"{number:0{max(4, len(str(len(self) - 1)))}d}.png"

    def _rows(self, start: int, chosen: BestOfResult) -> Iterator[dict[str, Any]]:
        each = zip(chosen.scores, chosen.drawn, chosen.places, strict=True)
        for number, (score, drawn, place) in enumerate(each, start):
            yield {
                "file": self._file(number),
                "prompt": self.prompts[number // self.n],
                "seed": self.seed,
                "index": number % self.n,
                "model": self.model,
                "score": None if np.isnan(score) else round(float(score), 4),
                "candidates": int(drawn),
                "candidate": int(place),
            }

    def _sheet(self, images: Sequence[Pixels]) -> Pixels:
        more = f", the first {MAX_ON_SHEET} of {len(self):,}" if len(self) > MAX_ON_SHEET else ""
        return contact_sheet(
            np.stack(images),
            [self.prompts[number // self.n] for number in range(len(images))],
            columns=min(8, max(4, self.n)),
            scale=enlargement(self.drawer.image_size),
            title=f"{self.model}, seed {self.seed}{self._effort()}{more}",
        )

    def _effort(self) -> str:
        several = self.effort.candidates
        return f", the best of {several}" if several > 1 else ""


def require_at_most(max_pictures: int, n_prompts: int, n: int) -> None:
    """Check that a drawing keeps within the limit.

    Raises:
        LexipixError: There are more pictures than ``max_pictures``.
    """
    if n_prompts * n > max_pictures:
        raise LexipixError(
            f"{n_prompts:,} prompts with {n:,} pictures each are {n_prompts * n:,} pictures, more than "
            f"generation.max_pictures = {max_pictures:,}: draw fewer at a time, or raise the parameter."
        )


def enlargement(image_size: int) -> int:
    """Whole-number factor that makes a picture large enough to be looked at."""
    return max(1, SHEET_PIXELS // image_size)

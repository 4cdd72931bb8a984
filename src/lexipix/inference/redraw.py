"""The loop of the method: picture to words to picture, until it is good enough or the budget is spent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexipix.config.generation import RedrawParameters
from lexipix.inference.best_of import seen
from lexipix.inference.generate import enlargement
from lexipix.inference.inversion_result import InversionResult
from lexipix.inference.onnx_models import OnnxCaptioner, OnnxGenerator, Pixels, Scorer, noise_of
from lexipix.inference.targets import Metric, Target, parse_target
from lexipix.metrics.images import WINDOW, psnr, ssim
from lexipix.reporting.contact_sheet import contact_sheet

_MAX_ON_SHEET = 63


@dataclass(frozen=True)
class Attempt:
    """One picture of the loop and how near it came to the given one.

    Attributes:
        number: Counted from 1.
        round: Counted from 1.
        model: Which generator drew it.
        text: What was drawn.
        seed: Of the noise, with ``index``.
        index: Which noise under the seed.
        picture_score: Cosine between the two pictures in the scorer's space.
        text_score: Cosine between the new picture and its text.
        score: Mean of the two.
        ssim: Against the given picture; None below 7x7 pixels.
        psnr: Against the given picture, in decibels.
    """

    number: int
    round: int
    model: str
    text: str
    seed: int
    index: int
    picture_score: float
    text_score: float
    score: float
    ssim: float | None
    psnr: float


@dataclass(frozen=True)
class Redrawn:
    """The trail of a loop.

    Attributes:
        given: uint8 (S, S, 3), the picture that was to be drawn again.
        text_source: Where the first text comes from: "given", "captioner", or a file's name.
        images: uint8 (T, S, S, 3), one for each try.
        tries: In order.
        best: Index of the best try.
        target: What was good enough, if anything.
        reached: Whether the best try is.
        refined: What steps towards the given picture made of it; that is no try, since its words are not all
            that it comes from.
    """

    given: Pixels
    text_source: str
    images: Pixels
    tries: list[Attempt]
    best: int
    target: Target | None
    reached: bool
    refined: InversionResult | None = None

    def trail(self) -> dict[str, Any]:
        """All of it but the pictures, JSON-able."""
        best = self.tries[self.best]
        refined = {"refined": self.refined.trail()} if self.refined is not None else {}
        return {
            "path": "text",
            "text": best.text,
            "text_source": self.text_source,
            "model": best.model,
            "target": str(self.target) if self.target else None,
            "reached": self.reached if self.target else None,
            "best": best.number,
            "tries": [asdict(one) for one in self.tries],
            **refined,
        }

    def sheet(self, title: str) -> Pixels:
        """The given picture and the tries, the best marked, with their figures: uint8 (height, width, 3)."""
        shown = self.tries[:_MAX_ON_SHEET]
        if self.best >= _MAX_ON_SHEET:
            shown = [*shown[:-1], self.tries[self.best]]
        images = np.stack([self.given, *(self.images[one.number - 1] for one in shown)])
        captions = ["given"]
        for one in shown:
            head = "BEST, " if one.number - 1 == self.best else ""
            captions.append(f"{one.number}: {head}{one.model}, {figures(one)}")
        return contact_sheet(images, captions, columns=5, scale=enlargement(images.shape[1]), title=title)

    def files(self) -> dict[str, Any]:
        """File name -> content, as a folder of results holds them."""
        return {
            "best.png": self.images[self.best],
            "sheet.png": self.sheet(self.tries[self.best].text),
            "trail.json": self.trail(),
            **(self.refined.files() if self.refined is not None else {}),
        }


def figures(one: Attempt) -> str:
    """The figures of a try in a line."""
    similarity = f"ssim {one.ssim:.3f}, " if one.ssim is not None else ""
    return f"score {one.score:.3f}, {similarity}psnr {one.psnr:.1f}"


def redraw(
    picture: Pixels,
    text: str | None,
    text_source: str,
    drawers: Mapping[str, Callable[[], OnnxGenerator]],
    describer: Callable[[], OnnxCaptioner],
    scorer: Scorer,
    parameters: RedrawParameters,
    seed: int,
) -> Redrawn:
    """Draw a picture again by way of words.

    Has it a text? Then that is drawn; else the captioner describes it. A round draws some candidates with one
    generator, each from noise of its own, and compares every one with the given picture. The generators take
    turns; when all have had theirs, a picture without a text is described once more, in other words. It ends
    with the first try that reaches the target, or with the budget.

    Args:
        picture: uint8 (S, S, 3), of the drawer's size.
        text: The picture's own text, if it has one.
        text_source: Where that comes from; for the trail.
        drawers: Name -> what gives that generator, in the order of their turns; called when its turn comes.
        describer: Gives the captioner; called only for a picture without a text.
        scorer: Judges candidates.
        parameters: Target, budget, size of a round.
        seed: Of noise and words.

    Returns:
        The trail, with the best by the target's metric, or by score where there is no target.
    """
    target = parse_target(parameters.until) if parameters.until else None
    given_vector = scorer.image_vector(picture)
    names = list(drawers)
    say = _texts(picture, text, describer, parameters, seed)
    tries: list[Attempt] = []
    images: list[Pixels] = []
    reached = False
    while len(tries) < parameters.budget and not reached:
        turn = len(tries) // parameters.round_size
        model = names[turn % len(names)]
        words = say(turn // len(names))
        text_vector = scorer.text_vector(words)
        n_candidates = min(parameters.round_size, parameters.budget - len(tries))
        indices = range(len(tries), len(tries) + n_candidates)
        candidates = _candidates(drawers[model](), words, seed, indices)
        for index, image, vector in zip(indices, candidates, seen(scorer, candidates), strict=True):
            picture_score, text_score = float(vector @ given_vector), float(vector @ text_vector)
            one = Attempt(
                number=index + 1, round=turn + 1, model=model, text=words, seed=seed, index=index,
                picture_score=picture_score, text_score=text_score, score=(picture_score + text_score) / 2,
                ssim=float(ssim(image[None], picture[None])[0]) if min(image.shape[:2]) >= WINDOW else None,
                psnr=float(psnr(image[None], picture[None])[0]),
            )  # fmt: skip
            tries.append(one)
            images.append(image)
            reached = target is not None and _value(one, target.metric) >= target.value
            if reached:
                break
    metric = target.metric if target else "score"
    best = max(range(len(tries)), key=lambda number: _value(tries[number], metric))
    source = text_source if text is not None else "captioner"
    return Redrawn(picture, source, np.stack(images), tries, best, target, reached)


def _texts(
    picture: Pixels,
    text: str | None,
    describer: Callable[[], OnnxCaptioner],
    parameters: RedrawParameters,
    seed: int,
) -> Callable[[int], str]:
    """What to draw: the text, or the captioner's first description, then others."""
    if text is not None:
        return lambda number: text
    captioner = describer()
    cells = captioner.see(picture[None])

    def say(number: int) -> str:
        temperature = parameters.temperature if number else 0.0
        words = captioner.describe(cells, temperature, np.random.default_rng([seed, number]))
        return (words if words[0] else captioner.describe(cells))[0]

    return say


def _candidates(drawer: OnnxGenerator, words: str, seed: int, indices: Sequence[int]) -> Pixels:
    noise = np.concatenate([noise_of(seed, index, drawer.noise_dim) for index in indices])
    return drawer.draw([words] * len(indices), noise)


def _value(one: Attempt, metric: Metric) -> float:
    value = getattr(one, metric)
    return float("-inf") if value is None else float(value)

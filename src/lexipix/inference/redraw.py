"""Image to caption to image, repeated until the result is good enough or the budget is spent."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lexipix.config.generation import RedrawParameters
from lexipix.inference.closeness import Closeness, measure_closeness
from lexipix.inference.inversion_result import InversionResult
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.result_files import result_sheet
from lexipix.inference.targets import Target, parse_target

_MAX_ON_SHEET = 63


@dataclass(frozen=True)
class Attempt(Closeness):
    """One image that was drawn, and how close it came to the given one.

    Attributes:
        number: Counted from 1.
        round: Counted from 1.
        model: Name of the generator.
        text: The prompt.
        seed: Of the noise, with ``index``.
        index: Which noise under the seed.
        image_score: Cosine between the two images in the scorer's space.
        text_score: Cosine between the new image and its prompt.
        score: Mean of the two.
    """

    number: int
    round: int
    model: str
    text: str
    seed: int
    index: int
    image_score: float
    text_score: float
    score: float
    ssim: float | None
    psnr: float

    def __str__(self) -> str:
        return f"score {self.score:.3f}, {super().__str__()}"


@dataclass(frozen=True)
class RedrawResult:
    """All attempts at an image.

    Attributes:
        given: uint8 (S, S, 3), the image that was to be drawn again.
        text_source: Where the first prompt comes from: "given", "captioner", or a file's name.
        images: uint8 (T, S, S, 3), one for each attempt.
        attempts: In order.
        best: Index of the best attempt.
        target: What was good enough, if anything.
        inversion: Result of the optimisation towards the given image. It is no attempt, since it does not
            come from a prompt alone.
    """

    given: Pixels
    text_source: str
    images: Pixels
    attempts: list[Attempt]
    best: int
    target: Target | None
    inversion: InversionResult | None = None

    @property
    def reached(self) -> bool:
        """Whether the best attempt is good enough."""
        return self.attempts[self.best].reaches(self.target)

    def trail(self) -> dict[str, Any]:
        """Everything but the images, JSON-able."""
        best = self.attempts[self.best]
        return {
            "path": "text",
            "text": best.text,
            "text_source": self.text_source,
            "model": best.model,
            "target": str(self.target) if self.target else None,
            "reached": self.reached if self.target else None,
            "best": best.number,
            "attempts": [asdict(attempt) for attempt in self.attempts],
            **({"optimized": self.inversion.trail()} if self.inversion is not None else {}),
        }

    def contact_sheet(self) -> Pixels:
        """The given image and the attempts with their metrics, the best marked: uint8 (height, width, 3)."""
        shown = self.attempts[:_MAX_ON_SHEET]
        if self.best >= _MAX_ON_SHEET:
            shown = [*shown[:-1], self.attempts[self.best]]
        images = [self.given, *(self.images[attempt.number - 1] for attempt in shown)]
        captions = ["given"]
        for attempt in shown:
            mark = "BEST, " if attempt.number - 1 == self.best else ""
            captions.append(f"{attempt.number}: {mark}{attempt.model}, {attempt}")
        return result_sheet(images, captions, self.attempts[self.best].text)

    def files(self) -> dict[str, Any]:
        """File name -> content, as a folder of results holds them."""
        return {
            "best.png": self.images[self.best],
            "sheet.png": self.contact_sheet(),
            "trail.json": self.trail(),
            **(self.inversion.files() if self.inversion is not None else {}),
        }


def redraw(
    image: Pixels,
    text: str | None,
    text_source: str,
    generators: Mapping[str, Callable[[], OnnxGenerator]],
    load_captioner: Callable[[], OnnxCaptioner],
    scorer: OnnxScorer,
    parameters: RedrawParameters,
    seed: int,
) -> RedrawResult:
    """Draw an image again from its text, or from a caption if it has no text.

    A round draws some candidates with one generator and compares each with the given image. The generators
    take turns. After a turn of each, an image without a text gets another caption. The search ends with the
    first attempt that reaches the target, or with the budget.

    Args:
        image: uint8 (S, S, 3), of the generators' size.
        text: The image's own text, if it has one.
        text_source: Where that comes from; for the trail.
        generators: Name -> what loads that generator, in the order of their turns; called at its first turn.
        load_captioner: Loads the captioner; called only for an image without a text.
        scorer: Scores candidates.
        parameters: Target, budget, size of a round.
        seed: Of noise and captions.

    Returns:
        All attempts, with the best by the target's metric, or by score without a target.
    """
    target = parse_target(parameters.until) if parameters.until else None
    embedding = scorer.embed_images(image[None])[0]
    names = list(generators)
    prompt_of = _prompts(image, text, load_captioner, parameters, seed)
    attempts: list[Attempt] = []
    images: list[Pixels] = []
    reached = False
    while len(attempts) < parameters.budget and not reached:
        turn = len(attempts) // parameters.round_size
        model = names[turn % len(names)]
        prompt = prompt_of(turn // len(names))
        text_embedding = scorer.embed_texts([prompt])[0]
        n_candidates = min(parameters.round_size, parameters.budget - len(attempts))
        indices = range(len(attempts), len(attempts) + n_candidates)
        candidates = _candidates(generators[model](), prompt, seed, indices)
        for index, candidate, own in zip(indices, candidates, scorer.embed_images(candidates), strict=True):
            image_score, text_score = float(own @ embedding), float(own @ text_embedding)
            scores = image_score, text_score, (image_score + text_score) / 2
            attempt = Attempt(
                index + 1, turn + 1, model, prompt, seed, index, *scores, *measure_closeness(candidate, image)
            )
            attempts.append(attempt)
            images.append(candidate)
            reached = attempt.reaches(target)
            if reached:
                break
    metric = target.metric if target else "score"
    best = max(range(len(attempts)), key=lambda number: attempts[number].value(metric))
    source = text_source if text is not None else "captioner"
    return RedrawResult(image, source, np.stack(images), attempts, best, target)


def _prompts(
    image: Pixels,
    text: str | None,
    load_captioner: Callable[[], OnnxCaptioner],
    parameters: RedrawParameters,
    seed: int,
) -> Callable[[int], str]:
    """The prompt by number: always the text, or the most probable caption first and then sampled ones."""
    if text is not None:
        return lambda number: text
    captioner = load_captioner()
    features = captioner.encode_images(image[None])

    def caption(number: int) -> str:
        temperature = parameters.temperature if number else 0.0
        captions = captioner.generate(features, temperature, np.random.default_rng([seed, number]))
        return (captions if captions[0] else captioner.generate(features))[0]

    return caption


def _candidates(generator: OnnxGenerator, prompt: str, seed: int, indices: Sequence[int]) -> Pixels:
    noise = np.concatenate([sample_noise(seed, index, generator.noise_dim) for index in indices])
    return generator.generate([prompt] * len(indices), noise)

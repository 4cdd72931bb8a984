"""Image to caption to image, repeated until the result is good enough or the budget is spent."""

from collections.abc import Callable, Mapping

import numpy as np

from lexipix.config.generation import RedrawParameters
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise
from lexipix.inference.onnx_scorer import OnnxScorer
from lexipix.inference.onnx_session import Pixels
from lexipix.inference.redraw_result import Attempt, RedrawResult, measure_closeness
from lexipix.inference.targets import parse_target


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
        load_captioner: Called only for an image without a text.
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
    for turn, start in enumerate(range(0, parameters.budget, parameters.round_size)):
        model, prompt = names[turn % len(names)], prompt_of(turn // len(names))
        text_embedding = scorer.embed_texts([prompt])[0]
        generator = generators[model]()
        indices = range(start, min(start + parameters.round_size, parameters.budget))
        noise = np.concatenate([sample_noise(seed, index, generator.noise_dim) for index in indices])
        candidates = generator.generate([prompt] * len(indices), noise)
        for index, candidate, own in zip(indices, candidates, scorer.embed_images(candidates), strict=True):
            image_score, text_score = float(own @ embedding), float(own @ text_embedding)
            scores = image_score, text_score, (image_score + text_score) / 2
            closeness = measure_closeness(candidate, image)
            attempts.append(Attempt(index + 1, turn + 1, model, prompt, seed, index, *scores, *closeness))
            images.append(candidate)
            if attempts[-1].reaches(target):
                break
        if attempts[-1].reaches(target):
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

"""Steps of the generation. None of them imports torch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.config.generation import GenerationParameters
from lexipix.config.run import RunParameters
from lexipix.inference.best_of import BestOfConfig
from lexipix.inference.generate import GeneratedImages, require_at_most
from lexipix.inference.onnx_models import OnnxGenerator, Scorer
from lexipix.inference.prompt_checks import check_prompts
from lexipix.inference.selection import choose
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxModel


def draw_prompts(
    generation: GenerationParameters,
    run: RunParameters,
    champion: dict[str, Any],
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
    onnx_forms: dict[str, OnnxModel],
    onnx_scorer: OnnxModel,
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Draw the prompts of the parameters.

    Returns:
        File name -> content of a folder of results, and the sheet once more.
    """
    if not generation.prompts:
        raise LexipixError(
            "generation.prompts is empty: list what to draw (conf/base/parameters_generation.yml), or use "
            '`kedro generate "…"`.'
        )
    chosen = choose(champion, generation.model, generation.budget)
    drawer = OnnxGenerator(chosen.among({"vae": onnx_vae, "gan": onnx_gan}, onnx_forms))
    prompts = check_prompts(generation.prompts, drawer, "generation.prompts, number {}: ")
    seed = run.seed if generation.seed is None else generation.seed
    texts = [prompt.text for prompt in prompts]
    require_at_most(generation.max_pictures, len(texts), generation.n)
    effort = BestOfConfig.wished(generation)
    drawing = GeneratedImages(drawer, Scorer(onnx_scorer), texts, generation.n, seed, chosen.name, effort)
    files = dict(drawing.files())
    files["generated.jsonl"] = list(files["generated.jsonl"])
    return files, files["sheet.png"]

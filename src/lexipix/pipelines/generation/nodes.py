"""Nodes of the generation. None of them imports torch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.config.generation import GenerationParameters
from lexipix.config.run import RunParameters
from lexipix.inference.image_request import ImageOptions
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.result_files import result_files
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxModel, OnnxPipeline


def draw_prompts(
    generation: GenerationParameters,
    run: RunParameters,
    champion: OnnxPipeline,
    onnx_vae: OnnxModel,
    onnx_gan: OnnxModel,
) -> tuple[dict[str, Any], NDArray[np.uint8]]:
    """Draw the prompts of the parameters: file name -> content of a folder, and the contact sheet again."""
    if not generation.prompts:
        raise LexipixError(
            "generation.prompts is empty: list what to draw (conf/base/parameters_generation.yml), or use "
            '`kedro generate "…"`.'
        )
    pipe = chosen = TextToImagePipeline.from_champion(champion)
    if generation.model != "champion":
        baseline = OnnxGenerator({"vae": onnx_vae, "gan": onnx_gan}[generation.model])
        pipe = TextToImagePipeline.from_generator(generation.model, baseline, lambda: chosen.scorer)
    options = ImageOptions.of(generation, run.seed)
    places = [f"generation.prompts, number {n}: " for n in range(1, len(generation.prompts) + 1)]
    files = dict(result_files(pipe.request(generation.prompts, options, places)))
    files["generated.jsonl"] = list(files["generated.jsonl"])
    return files, files["sheet.png"]

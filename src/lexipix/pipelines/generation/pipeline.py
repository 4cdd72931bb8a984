"""Wiring of the generation."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.generation.nodes import draw_prompts


def create_pipeline() -> Pipeline:
    """Draw the prompts of the parameters with the exported generators."""
    return Pipeline(
        [
            node(
                draw_prompts,
                ["params:generation", "params:run", "champion", "onnx_vae", "onnx_gan"],
                ["generated", "generated_sheet"],
                name="draw_prompts",
            )
        ]
    )

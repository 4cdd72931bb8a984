"""Wiring of the compression."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.compression.nodes import (
    export_captioner,
    export_generators,
    export_scorer,
    measure_generators,
)


def create_pipeline() -> Pipeline:
    """Export every model that is used to draw, describe and score; measure the generators; choose one."""
    return Pipeline(
        [
            node(
                export_generators,
                ["params:compression", "pictures", "prior", "gan"],
                ["onnx_vae", "onnx_gan"],
                name="export_generators",
            ),
            node(
                export_captioner,
                ["params:compression", "pictures", "captioner"],
                "onnx_captioner",
                name="export_captioner",
            ),
            node(
                export_scorer,
                ["params:compression", "pictures", "contrastive_pair"],
                "onnx_scorer",
                name="export_scorer",
            ),
            node(
                measure_generators,
                ["params:compression", "params:run", "pictures", "prior", "gan", "onnx_vae", "onnx_gan",
                 "prior_figures", "gan_figures"],
                ["speed_table", "champion"],
                name="measure_generators",
            ),
        ]
    )  # fmt: skip

"""Wiring of the compression."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.compression.nodes import (
    export_captioner,
    export_generators,
    export_scorer,
    make_forms,
    measure_generators,
    teach_pruned,
    teach_small,
)

FIGURES = ["prior_figures", "gan_figures"]


def _lesson(name: str) -> tuple[list[str], list[str]]:
    """Inputs and outputs of teaching a smaller network."""
    machinery = ["machine_choices", f"{name}_stream", f"{name}_checkpoints"]
    inputs = [
        "params:compression",
        "params:run",
        "pictures",
        "captions_complete",
        "prior",
        "gan",
        *FIGURES,
        *machinery,
    ]
    return inputs, [name, f"{name}_curves", f"{name}_figures", f"{name}_sheet"]


def create_pipeline() -> Pipeline:
    """Export what is used to draw, describe and score; make the generator smaller; measure; choose one."""
    exported = ["onnx_vae", "onnx_gan"]
    return Pipeline(
        [
            node(
                export_generators,
                ["params:compression", "pictures", "prior", "gan"],
                exported,
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
            node(teach_small, *_lesson("small"), name="teach_small"),
            node(teach_pruned, *_lesson("pruned"), name="teach_pruned"),
            node(
                make_forms,
                ["params:compression", "pictures", "small", "pruned", *exported, *FIGURES],
                "onnx_forms",
                name="make_forms",
            ),
            node(
                measure_generators,
                [
                    "params:compression",
                    "params:run",
                    "pictures",
                    "contrastive_pair",
                    "prior",
                    "gan",
                    "small",
                    "pruned",
                    *exported,
                    "onnx_forms",
                    *FIGURES,
                ],
                ["speed_table", "champion", "frontier_sheet"],
                name="measure_generators",
            ),
        ]
    )

"""Wiring of the compression."""

from kedro.pipeline import Pipeline, node

from lexipix.compression.captioner_variants import measure_captioner
from lexipix.compression.distillation import teach_reader
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


def _lesson(name: str) -> list[str]:
    """Inputs of teaching a smaller network."""
    machinery = ["machine_choices", f"{name}_stream", f"{name}_checkpoints"]
    data = ["pictures", "captions_complete", "prior", "gan"]
    return ["params:compression", "params:run", *data, *FIGURES, *machinery]


def _taught(name: str) -> list[str]:
    return [name, f"{name}_curves", f"{name}_figures"]


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
                measure_captioner,
                [
                    "params:compression",
                    "params:run",
                    "params:ingestion.resize",
                    "pictures",
                    "captioner",
                    "onnx_captioner",
                ],
                ["captioner_forms", "captioner_speed_table", "captioner_champion"],
                name="measure_captioner",
            ),
            node(
                export_scorer,
                ["params:compression", "pictures", "contrastive_pair"],
                "onnx_scorer",
                name="export_scorer",
            ),
            node(teach_reader, _lesson("small_reader"), _taught("small_reader"), name="teach_reader"),
            node(
                teach_small,
                [*_lesson("small"), "small_reader"],
                [*_taught("small"), "small_sheet"],
                name="teach_small",
            ),
            node(teach_pruned, _lesson("pruned"), [*_taught("pruned"), "pruned_sheet"], name="teach_pruned"),
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
                    "onnx_scorer",
                    *FIGURES,
                ],
                ["speed_table", "champion", "frontier_sheet"],
                name="measure_generators",
            ),
        ]
    )

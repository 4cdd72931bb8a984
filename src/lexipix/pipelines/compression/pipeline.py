"""Wiring of the compression."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.compression.nodes import (
    distill_pruned,
    distill_reader,
    distill_small,
    export_captioner,
    export_generators,
    export_scorer,
    export_variants,
    measure_captioner,
    measure_generators,
)

SETTINGS = ["params:compression", "params:run"]
GENERATORS = ["prior", "gan"]
EXPORTED = ["onnx_vae", "onnx_gan"]


def _distillation(name: str) -> dict[str, str]:
    """Inputs of the distillation of a smaller network."""
    settings = {"compression": "params:compression", "run": "params:run"}
    data = {key: key for key in ("pictures", "captions_complete", *GENERATORS)}
    return {**settings, **data, "stream": f"{name}_stream", "checkpoints": f"{name}_checkpoints"}


def _trained(name: str) -> list[str]:
    return [name, f"{name}_curves", f"{name}_metrics"]


def create_pipeline() -> Pipeline:
    """Exports the models, distills smaller generators, measures all variants, chooses the champions."""
    models = [*GENERATORS, "small", "pruned", *EXPORTED, "onnx_variants"]
    return Pipeline(
        [
            node(
                export_generators,
                ["params:compression", "pictures", *GENERATORS],
                EXPORTED,
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
                [*SETTINGS, "params:ingestion", "pictures", "captioner", "onnx_captioner"],
                ["captioner_variants", "captioner_speed_table", "captioner_champion"],
                name="measure_captioner",
            ),
            node(
                export_scorer,
                ["params:compression", "pictures", "contrastive_pair"],
                "onnx_scorer",
                name="export_scorer",
            ),
            node(
                distill_reader, _distillation("small_reader"), _trained("small_reader"), name="distill_reader"
            ),
            node(
                distill_small,
                {**_distillation("small"), "small_reader": "small_reader"},
                [*_trained("small"), "small_sample_grid"],
                name="distill_small",
            ),
            node(
                distill_pruned,
                _distillation("pruned"),
                [*_trained("pruned"), "pruned_sample_grid"],
                name="distill_pruned",
            ),
            node(
                export_variants,
                ["params:compression", "pictures", "small", "pruned", *EXPORTED],
                "onnx_variants",
                name="export_variants",
            ),
            node(
                measure_generators,
                [*SETTINGS, "pictures", "contrastive_pair", *models, "onnx_scorer"],
                ["speed_table", "champion", "frontier_sheet"],
                name="measure_generators",
            ),
        ]
    )

"""Wiring of the compression."""

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Node, Pipeline, node

from lexipix.pipelines.compression import nodes

SETTINGS = ["params:compression", "params:run"]
GENERATORS = ["prior", "gan"]
EXPORTED = ["onnx_vae", "onnx_gan"]
INPUT = ["params:compression", "image_splits"]


def _node(function: Callable[..., Any], inputs: list[str], outputs: str | list[str]) -> Node:
    return node(function, inputs, outputs, name=function.__name__)


def _distillation(
    function: Callable[..., Any], name: str, outputs: tuple[str, ...] = ("curves", "metrics", "sample_grid")
) -> Node:
    """The training of a smaller network; the small one starts from its text encoder."""
    settings = {"compression": "params:compression", "run": "params:run"}
    data = {key: key for key in ("image_splits", "captions_complete", *GENERATORS)}
    start = {"small_text_encoder": "small_text_encoder"} if name == "small" else {}
    resources = {"stream": f"{name}_stream", "checkpoints": f"{name}_checkpoints", "engine": "engine"}
    return node(
        function,
        {**settings, **data, **resources, **start},
        [name, *(f"{name}_{output}" for output in outputs)],
        name=function.__name__,
    )


def create_pipeline() -> Pipeline:
    """Exports the models, distills smaller generators, measures all variants, chooses the champions."""
    captioner = ["captioner_variants", "captioner_speed_table", "captioner_champion"]
    models = [*GENERATORS, "small", "pruned", *EXPORTED, "onnx_variants"]
    return Pipeline(
        [
            _node(nodes.export_generators, [*INPUT, *GENERATORS], EXPORTED),
            _node(nodes.export_captioner, [*INPUT, "captioner"], "onnx_captioner"),
            _node(
                nodes.measure_captioner,
                [*SETTINGS, "params:ingestion", "image_splits", "captioner", "onnx_captioner"],
                captioner,
            ),
            _node(nodes.export_scorer, [*INPUT, "contrastive_pair"], "onnx_scorer"),
            _node(
                nodes.find_nearest_words,
                ["params:compression", "contrastive_pair", "pretrained_models"],
                "nearest_words",
            ),
            _distillation(nodes.distill_small_text_encoder, "small_text_encoder", ("curves", "metrics")),
            _distillation(nodes.distill_small, "small"),
            _distillation(nodes.distill_pruned, "pruned"),
            _node(nodes.export_variants, [*INPUT, "small", "pruned", *EXPORTED], "onnx_variants"),
            _node(
                nodes.measure_generators,
                [*SETTINGS, "image_splits", "contrastive_pair", *models, "onnx_scorer", "nearest_words"],
                ["speed_table", "champion", "frontier_sheet"],
            ),
        ]
    )

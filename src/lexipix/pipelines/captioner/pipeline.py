"""Wiring of the captioner."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.captioner.nodes import (
    caption_missing,
    caption_test,
    show_attention,
    train_captioner,
)


def create_pipeline() -> Pipeline:
    """Trains the captioner, captions the images without a caption, and measures its captions."""
    return Pipeline(
        [
            node(
                train_captioner,
                [
                    "params:captioner",
                    "params:run",
                    "pictures",
                    "contrastive_pair",
                    "pretrained_models",
                    "captioner_stream",
                    "captioner_checkpoints",
                ],
                ["captioner", "captioner_curves"],
                name="train_captioner",
            ),
            node(
                caption_missing,
                ["params:captioner", "params:run", "captioner", "pictures"],
                "captions_complete",
                name="caption_missing",
            ),
            node(
                caption_test,
                ["params:captioner", "params:run", "captioner", "pictures", "captions_complete"],
                ["captioner_test_captions", "captioner_metrics"],
                name="caption_test",
            ),
            node(
                show_attention,
                ["params:captioner", "params:run", "captioner", "pictures"],
                ["captioner_attention", "attention_sheet"],
                name="show_attention",
            ),
        ]
    )

"""Wiring of the captioner."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.captioner import nodes

LEARNED_FROM = ["params:captioner", "params:run", "image_splits", "contrastive_pair", "pretrained_models"]
TRAINED = ["params:captioner", "params:run", "captioner", "image_splits"]


def create_pipeline() -> Pipeline:
    """Trains the captioner, captions the images without a caption, and measures its captions."""
    return Pipeline(
        [
            node(
                nodes.train_captioner,
                [*LEARNED_FROM, "captioner_stream", "captioner_checkpoints", "engine"],
                ["captioner", "captioner_curves"],
                name="train_captioner",
            ),
            node(nodes.caption_missing, [*TRAINED, "engine"], "captions_complete", name="caption_missing"),
            node(
                nodes.caption_test,
                [*TRAINED, "captions_complete", "engine"],
                ["captioner_test_captions", "captioner_metrics"],
                name="caption_test",
            ),
            node(
                nodes.show_attention,
                TRAINED,
                ["captioner_attention", "attention_sheet"],
                name="show_attention",
            ),
        ]
    )

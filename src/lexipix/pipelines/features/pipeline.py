"""Wiring of the features stage."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.features import nodes

LEARNED_FROM = ["params:features", "params:run", "image_splits", "pretrained_models"]


def create_pipeline() -> Pipeline:
    """Trains the contrastive pair on captioned images, then embeds all images."""
    return Pipeline(
        [
            node(
                nodes.train_features,
                [*LEARNED_FROM, "features_stream", "features_checkpoints", "engine"],
                ["contrastive_pair", "features_curves", "features_metrics"],
                name="train_features",
            ),
            node(
                nodes.export_features,
                ["params:run", "contrastive_pair", "image_splits", "engine"],
                "image_features",
                name="export_features",
            ),
        ]
    )

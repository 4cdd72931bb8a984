"""Wiring of the features stage."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.features.nodes import export_features, train_features


def create_pipeline() -> Pipeline:
    """Trains the contrastive pair on captioned images, then embeds all images."""
    return Pipeline(
        [
            node(
                train_features,
                [
                    "params:features",
                    "params:run",
                    "pictures",
                    "pretrained_models",
                    "features_stream",
                    "features_checkpoints",
                ],
                ["contrastive_pair", "features_curves", "features_metrics"],
                name="train_features",
            ),
            node(
                export_features,
                ["params:run", "contrastive_pair", "pictures"],
                "image_features",
                name="export_features",
            ),
        ]
    )

"""The pipeline of the ingestion."""

from kedro.pipeline import Pipeline, node

from lexipix.pipelines.ingestion.nodes import describe_images, ingest


def create_pipeline() -> Pipeline:
    """Read the source into the image store, then summarize accepted and rejected images."""
    return Pipeline(
        [
            node(
                ingest,
                ["params:ingestion", "params:run", "sources", "pretrained_models", "engine"],
                "image_splits",
                name="ingest",
            ),
            node(
                describe_images,
                "image_splits",
                ["ingestion_summary", "rejects", "ingestion_sheet"],
                name="describe_images",
            ),
        ]
    )

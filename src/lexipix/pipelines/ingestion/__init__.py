"""From a source to four splits of pictures with captions."""

from lexipix.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]

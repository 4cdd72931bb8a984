"""Features: an image encoder and a text encoder trained to agree, and the embedding of every image."""

from lexipix.pipelines.features.pipeline import create_pipeline

__all__ = ["create_pipeline"]

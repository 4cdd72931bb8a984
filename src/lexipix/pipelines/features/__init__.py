"""f(I): an image encoder trained to agree with a text encoder, and its vector of every picture."""

from lexipix.pipelines.features.pipeline import create_pipeline

__all__ = ["create_pipeline"]

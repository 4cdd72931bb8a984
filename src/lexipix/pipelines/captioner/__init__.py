"""Captioner: a language model that reads the image encoder's output and writes the caption."""

from lexipix.pipelines.captioner.pipeline import create_pipeline

__all__ = ["create_pipeline"]

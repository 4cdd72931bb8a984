"""Compression: smaller and faster variants of the generators and the captioner, and the champions."""

from lexipix.pipelines.compression.pipeline import create_pipeline

__all__ = ["create_pipeline"]

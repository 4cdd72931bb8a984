"""Ingestion: from a source to splits of images with captions."""

from lexipix.pipelines.ingestion.pipeline import create_pipeline

__all__ = ["create_pipeline"]

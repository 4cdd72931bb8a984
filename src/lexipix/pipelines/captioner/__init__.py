"""Text(f(I)) = LLM(f(I)): a language model that reads the picture's features and writes its caption."""

from lexipix.pipelines.captioner.pipeline import create_pipeline

__all__ = ["create_pipeline"]

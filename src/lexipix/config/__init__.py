"""Typed parameters: one pydantic model for each pipeline. Their defaults are in ``conf/base``."""

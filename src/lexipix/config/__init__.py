"""Typed parameters: one pydantic model per pipeline."""

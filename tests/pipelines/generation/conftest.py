"""Fixtures of the tests in this folder."""

from tests.support.exported_models import (  # noqa: F401
    _project,
    captioner,
    generator,
    other_generator,
    project,
    said,
    scorer,
    tokens_model,
    toys,
)

"""Fixtures of the tests in this folder."""

from tests.support.exported_models import (  # noqa: F401
    _project,
    describer,
    drawer,
    other_drawer,
    project,
    said,
    scorer,
    toys,
    words_model,
)

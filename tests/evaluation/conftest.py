"""Fixtures of the tests in this folder."""

from tests.support.evaluation_fixtures import (  # noqa: F401
    captioner,
    evaluation,
    pictures,
    prior,
    run,
    shipped,
    test_captions,
    tokens,
    vae,
)
from tests.support.reporting_fixtures import system_fonts  # noqa: F401

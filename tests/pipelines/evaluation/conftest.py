"""Fixtures of the tests in this folder."""

from tests.support.evaluation_fixtures import (  # noqa: F401
    captioner,
    evaluation,
    image_splits,
    prior,
    run,
    shipped,
    test_captions,
    tokens,
    vae,
)

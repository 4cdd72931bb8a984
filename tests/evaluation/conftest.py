"""Fixtures of the tests in this folder."""

import pytest
from tests.support.evaluation_fixtures import (  # noqa: F401
    ListStream,
    NoCheckpoints,
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
from tests.support.reporting_fixtures import system_fonts  # noqa: F401

from lexipix.evaluation.evaluator import train_contrastive_evaluator


@pytest.fixture(scope="session")
def evaluator(image_splits, evaluation, run):  # noqa: F811
    """An evaluator after few steps."""
    bundle, *_ = train_contrastive_evaluator(
        image_splits, evaluation.evaluator, run, ListStream(), NoCheckpoints()
    )
    return bundle

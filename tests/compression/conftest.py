"""Fixtures of the tests in this folder."""

from tests.support.compression_fixtures import (  # noqa: F401
    gan,
    image_splits,
    make,
    prior,
)

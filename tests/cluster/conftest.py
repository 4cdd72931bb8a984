"""Tests that start Ray clusters: `make test-cluster`."""

import importlib.util
import os

import pytest
from tests.support.cluster import ENVIRONMENT, Machines
from tests.support.project import REPOSITORY


def pytest_collection_modifyitems(items):
    absent = pytest.mark.skipif(
        importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install '.[ray]'"
    )
    for item in items:
        if item.path.is_relative_to(REPOSITORY / "tests" / "cluster"):
            item.add_marker("cluster")
            item.add_marker(absent)


@pytest.fixture(autouse=True, scope="session")
def _environment():
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def machines():
    """Start a cluster of some nodes."""
    started = []

    def start(n_nodes):
        started.append(Machines(n_nodes))
        return started[-1]

    yield start
    for one in started:
        one.stop()

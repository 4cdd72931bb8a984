"""Imports of the benchmark scripts."""

import sys

import pytest
from tests.support.project import REPOSITORY


@pytest.fixture
def scripts(monkeypatch):
    """Make the scripts import each other, as they do when one is started."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if str(REPOSITORY / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]

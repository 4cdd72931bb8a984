"""Fixtures of the tests in this folder."""

from tests.support.reporting_fixtures import (  # noqa: F401
    chinese_font,
    system_fonts,
)

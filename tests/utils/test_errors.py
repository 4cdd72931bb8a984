import sqlite3

import pytest
from sqlalchemy import create_engine, text

from lexipix.utils.errors import causes, database_error, reason


def test_the_innermost_cause_of_a_database_error_is_shown():
    with pytest.raises(RuntimeError) as caught:
        try:
            with create_engine("sqlite://").connect() as connection:
                connection.execute(text("SELECT x FROM nowhere"))
        except Exception as error:
            raise RuntimeError("the store is not available\n[SQL: …]") from error
    assert reason(caught.value) == "no such table: nowhere"
    assert isinstance(database_error(caught.value), sqlite3.OperationalError)


def test_other_errors_show_their_own_first_line():
    error = RuntimeError("\nfirst\nsecond")
    error.__cause__ = KeyError("inner")
    assert reason(error) == "first" and reason(ValueError()) == "ValueError"
    assert database_error(error) is None
    assert [type(cause) for cause in causes(error)] == [RuntimeError, KeyError]


def test_causes_in_a_circle_end():
    error = ValueError()
    error.__cause__ = error
    assert list(causes(error)) == [error]

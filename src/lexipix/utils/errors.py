"""The error class for mistakes that the user can fix, and the cause behind an error."""

from collections.abc import Iterator


class LexipixError(ValueError):
    """A mistake that the user can fix, described in one sentence.

    The message names the file or the parameter's full key, the value found, the values allowed, and the fix.
    The command line prints it without a traceback; any other exception is a bug and keeps its traceback.
    """


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and the errors behind it, the innermost last."""
    cause: BaseException | None = error
    seen = set[int]()
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def database_error(error: BaseException) -> BaseException | None:
    """What a database itself reported, in an error or behind it; None if no database did."""
    found = None
    for cause in causes(error):
        if isinstance(driver := getattr(cause, "orig", None), BaseException):  # SQLAlchemy wraps it
            found = driver
        elif type(cause).__module__.partition(".")[0] == "sqlite3":
            found = cause
    return found


def reason(error: BaseException) -> str:
    """An error in one line: what the database reported, else the first line of its own message."""
    error = database_error(error) or error
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)

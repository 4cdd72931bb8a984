"""Suppresses the log messages of other libraries for a while, and turns errors into warnings."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from lexipix.utils.errors import reason

_log = logging.getLogger(__name__)


@contextmanager
def suppress_logs(*names: str) -> Iterator[None]:
    """Lets loggers emit only errors inside the ``with`` block; an empty name is the root logger."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def warn_on_failure(failure: str) -> Iterator[None]:
    """Turn an error inside the ``with`` block into a warning that begins with ``failure``."""
    try:
        yield
    except Exception as error:
        _log.warning("%s (%s).", failure, reason(error))

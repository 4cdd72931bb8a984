"""What a visitor reads when something went wrong."""

import logging

from lexipix.cli.errors import sentence

_log = logging.getLogger(__name__)


def explain(error: Exception) -> str:
    """The sentence about a mistake of the user; a defect of lexipix is logged with its traceback."""
    told = sentence(error)
    if told is None:
        _log.error("A request failed", exc_info=error)
        return "The page failed: its terminal shows why."
    return told

"""Text for a terminal: names and captions from elsewhere cannot control it."""

import logging
import re

from lexipix.utils.secrets import without_secrets

# Characters that change the direction of the text after them ("Trojan Source", arXiv 2111.00169).
DIRECTION_MARKS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
# These, line separators, lone surrogates, and all control characters but tab and line feed.
_CONTROL = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff{DIRECTION_MARKS}]")


def inert(text: str) -> str:
    r"""The text without secrets in addresses, and with control characters as escapes, such as ``\x1b``.

    >>> inert("a\x1b[31mstar\n")
    'a\\x1b[31mstar\n'
    """
    return _CONTROL.sub(
        lambda match: match[0].encode("unicode_escape", "surrogatepass").decode(), without_secrets(text)
    )


class InertFormatter(logging.Formatter):
    """Formats as another formatter does, without control characters."""

    def __init__(self, inner: logging.Formatter) -> None:
        super().__init__()
        self.inner = inner

    def format(self, record: logging.LogRecord) -> str:
        return inert(self.inner.format(record))


def make_logs_inert() -> None:
    """Let the handlers of the root logger and of MLflow, once it is imported, write no control characters.

    Kedro refuses classes other than its own in ``conf/logging.yml``. MLflow's loggers have a handler of their
    own, which shows addresses with their passwords.
    """
    for handler in (*logging.getLogger().handlers, *logging.getLogger("mlflow").handlers):
        if not isinstance(handler.formatter, InertFormatter):
            handler.setFormatter(InertFormatter(handler.formatter or logging.Formatter()))

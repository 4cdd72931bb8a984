"""Text for a terminal: names and captions from elsewhere cannot control it."""

import logging
import re

from lexipix.utils.secrets import without_secrets

# All control characters but tab and line feed, and those that change the direction of the text after them
# ("Trojan Source", arXiv 2111.00169).
_CONTROL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


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
    """Let the root logger's handlers write no control characters.

    Kedro refuses classes other than its own in ``conf/logging.yml``.
    """
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, InertFormatter):
            handler.setFormatter(InertFormatter(handler.formatter or logging.Formatter()))

"""Passwords and tokens in addresses, which belong in no log, tag or report."""

import re

# USER:PASSWORD@ or TOKEN@ of an address; keys of a query that hold secrets
_USER = re.compile(r"(?<=://)[^\s/@:]*(?::[^\s/@]*)?@")
_QUERY = re.compile(
    r"(?i)([?&][\w.-]*(?:token|secret|password|passwd|signature|credential|api_?key|sig)=)[^&\s'\"]+"
)


def without_secrets(text: str) -> str:
    """The text with what follows ``://`` up to ``@``, and with secret values of queries, replaced by stars.

    >>> without_secrets("postgresql://me:secret@host/db and https://host/x?token=abc&page=2")
    'postgresql://***@host/db and https://host/x?token=***&page=2'
    """
    return _QUERY.sub(r"\1***", _USER.sub("***@", text))

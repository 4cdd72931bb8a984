"""Passwords and tokens in addresses and settings, which belong in no log, tag or report."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml

# USER:PASSWORD@ or TOKEN@ of an address; keys of a query that hold secrets
_USER = re.compile(r"(?<=://)[^\s/@:]*(?::[^\s/@]*)?@")
_QUERY = re.compile(
    r"(?i)([?&][\w.-]*(?:token|secret|password|passwd|signature|credential|api_?key|sig)=)[^&\s'\"]+"
)
# The last word of a key whose value is a secret, as in hf_token or accessKey
_SECRET_KEY = re.compile(
    r"(?i:(?:.*[._\s-])?(?:token|secret|password|passwd|pwd|passphrase|credentials?|api_?key|key))"
    r"|.*[a-z](?:Token|Secret|Password|Key)"
)
_NO_SECRET = re.compile(r"|~|null|true|false|\$\{.*\}")
MASK = '"***"'


def without_secrets(text: str) -> str:
    """The text with what follows ``://`` up to ``@``, and with secret values of queries, replaced by stars.

    >>> without_secrets("postgresql://me:secret@host/db and https://host/x?token=abc&page=2")
    'postgresql://***@host/db and https://host/x?token=***&page=2'
    """
    return _QUERY.sub(r"\1***", _USER.sub("***@", text))


def without_secret_values(text: str, known: str = "") -> str:
    r"""A YAML or JSON text with ``"***"`` for each value of a key such as ``hf_token`` or ``password``.

    Values that another such text, ``known``, has for such keys as well, as they are written, stay.

    Raises:
        yaml.YAMLError: The text is no YAML.

    >>> without_secret_values("max_tokens: 3\nhf_token: abc\n")
    'max_tokens: 3\nhf_token: "***"\n'
    """
    import yaml

    kept = {_written(node, known) for node in _secrets(yaml.compose(known))}
    parts, end = [], 0
    for node in _secrets(yaml.compose(text)):
        is_new = node.start_mark.index >= end  # an alias gives the same node again
        if is_new and _written(node, text) not in kept:
            closing = "\n" if node.style in ("|", ">") else ""  # which such a value takes along
            parts += [text[end : node.start_mark.index], MASK, closing]
            end = node.end_mark.index
    return "".join([*parts, text[end:]])


def _written(node: "yaml.Node", text: str) -> str:
    return text[node.start_mark.index : node.end_mark.index]


def _secrets(node: "yaml.Node | None", is_secret: bool = False) -> "Iterator[yaml.ScalarNode]":
    """The values of keys with secrets, in the order of the text."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            named = isinstance(key, yaml.ScalarNode) and _SECRET_KEY.fullmatch(key.value) is not None
            yield from _secrets(value, is_secret or named)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _secrets(item, is_secret)
    elif isinstance(node, yaml.ScalarNode) and is_secret and not _NO_SECRET.fullmatch(node.value):
        yield node

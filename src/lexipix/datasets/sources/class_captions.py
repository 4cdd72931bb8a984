"""Captions from names of classes: templates and articles."""

import re

# Nouns with "a" before a vowel, and nouns with "an". English only, like the default templates.
_A = re.compile(r"u(?=ni([^nm]|$)|s[aeu]|r[aeiy]|t[aeio]|k)|eu|ewe|ew|one|once|ouija")
_AN = re.compile(r"[aeio]|u|hour|honest|hono|heir")


def with_article(noun: str) -> str:
    """A noun with "a" or "an".

    >>> with_article("ostrich"), with_article("unicorn"), with_article("umbrella")
    ('an ostrich', 'a unicorn', 'an umbrella')
    """
    word = noun.lower()
    return f"{'an' if _AN.match(word) and not _A.match(word) else 'a'} {noun}"


def caption_from(template: str, **names: str) -> str:
    """A template filled with names: ``{label}`` without article, ``{a_label}`` with its article.

    >>> caption_from("a photo of {a_label}", label="fire_truck")
    'a photo of a fire truck'
    """
    values: dict[str, str] = {}
    for key, name in names.items():
        text = " ".join(name.replace("_", " ").split())
        values |= {key: text, f"a_{key}": with_article(text)}
    return template.format(**values)

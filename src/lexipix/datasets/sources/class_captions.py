"""Captions made of names: the article, and templates with it."""

import re

# Vowels that sound like a consonant, and the other way round. English only, like the templates' default.
_A = re.compile(r"u(?=ni([^nm]|$)|s[aeu]|r[aeiy]|t[aeio]|k)|eu|ewe|ew|one|once|ouija")
_AN = re.compile(r"[aeio]|u|hour|honest|hono|heir")


def with_article(noun: str) -> str:
    """Put "a" or "an" before a noun.

    >>> with_article("ostrich"), with_article("unicorn"), with_article("umbrella")
    ('an ostrich', 'a unicorn', 'an umbrella')
    """
    word = noun.lower()
    return f"{'an' if _AN.match(word) and not _A.match(word) else 'a'} {noun}"


def caption_from(template: str, **names: str) -> str:
    """Fill a template with names: ``{label}`` alone, ``{a_label}`` with its article.

    >>> caption_from("a photo of {a_label}", label="fire_truck")
    'a photo of a fire truck'
    """
    values: dict[str, str] = {}
    for key, name in names.items():
        spoken = " ".join(name.replace("_", " ").split())
        values |= {key: spoken, f"a_{key}": with_article(spoken)}
    return template.format(**values)

"""What captions name: concepts, and the field in which one concept occurs in several styles."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

MAX_STYLES = 20  # values of a field; one with more says what an image shows
MIN_CONCEPTS, MIN_SHARE = 20, 0.02  # concepts that must occur in several styles, and their share of all
IMAGES_PER_CONCEPT = 10.0  # with more on average, captions are classes, and every class is to be trained on


@dataclass(frozen=True, slots=True)
class CaptionedRow:
    """The caption of an image, and the other short texts in its row of metadata."""

    caption: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Concept:
    """What an image shows whatever its style, and the style, if there are several."""

    name: str
    style: str | None = None


def find_style_field(rows: Iterable[CaptionedRow]) -> str | None:
    """The field of which many concepts have several values: ``style`` for *red heart, noto* and *…, twemoji*.

    A concept is a caption without the field's value. Of several such fields the one counts of which most
    concepts have several values; None if there is none.
    """
    styles: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))  # by field and concept
    values: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        for field, value in row.fields.items():
            if len(values[field]) <= MAX_STYLES:
                values[field].add(value)
                styles[field][_without(row.caption, value)].add(value)
    best, most = None, 0
    for field, concepts in styles.items():
        n_several = sum(len(found) > 1 for found in concepts.values())
        is_style = 1 < len(values[field]) <= MAX_STYLES
        if is_style and n_several >= max(MIN_CONCEPTS, MIN_SHARE * len(concepts)) and n_several > most:
            best, most = field, n_several
    return best


def concept_of(row: CaptionedRow, style_field: str | None) -> Concept:
    """The concept of an image."""
    value = row.fields.get(style_field) if style_field is not None else None
    return Concept(row.caption if value is None else _without(row.caption, value), value)


def are_classes(concepts: Sequence[Concept]) -> bool:
    """Whether the concepts are so few that each is a class, which no split may leave out."""
    return len(concepts) > IMAGES_PER_CONCEPT * len({concept.name for concept in concepts})


def held_out_pairs(concepts: Iterable[Concept], share: float) -> set[Concept]:
    """One style each of a share of the concepts that occur in several, chosen by hashes of their names."""
    styles: dict[str, set[str]] = defaultdict(set)
    for concept in concepts:
        if concept.style is not None:
            styles[concept.name].add(concept.style)
    pairs = set()
    for name, found in styles.items():
        position = int.from_bytes(hashlib.sha256(f"pair\0{name}".encode()).digest()[:8], "big")
        if len(found) > 1 and position / 2**64 < share:
            pairs.add(Concept(name, sorted(found)[position % len(found)]))
    return pairs


def _without(caption: str, value: str) -> str:
    """The caption without a field's value, in lower case; the whole caption if nothing else remains."""
    text = re.sub(rf"(?<!\w){re.escape(value.lower())}(?!\w)", " ", caption.lower())
    return re.sub(r"[\s,;]+", " ", text).strip() or caption.lower()

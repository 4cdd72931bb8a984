"""Captions of scenes: one canonical caption, several paraphrases, and a parser for both."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, replace

from lexipix.scenes.grammar import BACKGROUNDS, COLORS, MAX_OBJECTS, PLACES, SHAPES, SIZES, Scene, SceneObject

_SIZE_WORDS = dict.fromkeys(("small", "little", "tiny"), "small") | dict.fromkeys(
    ("big", "large", "huge"), "big"
)
_PLACE_WORDS = {"upper": "top", "lower": "bottom", "middle": "center", "centre": "center", "grey": "gray"}
_PLACE_PARTS = frozenset(part for place in PLACES for part in place.split())
# Words that carry no fact.
_FILLERS = frozenset(
    {"a", "an", "the", "and", "at", "in", "on", "of", "with", "there", "is", "are", "one"}
    | {"picture", "image", "background", "corner", "side", "nothing"}
)
_PLACES = {frozenset(place.split()): place for place in PLACES} | {
    frozenset({"center", side}): side for side in ("top", "left", "right", "bottom")
}
_TOKEN = re.compile(r"[^\W_]+|[^\w\s]|_")


def caption(scene: Scene) -> str:
    """Canonical caption, such as "a small purple star at the top and a big red ring at the left on white"."""
    return f"{_listed(scene.objects)} on {scene.background}"


def paraphrases(scene: Scene) -> tuple[str, ...]:
    """Other captions with the same facts, in another order, syntax, or vocabulary: four or five of them."""
    background, backwards = scene.background, scene.objects[::-1]
    notes = "; ".join(f"{item.shape}, {item.color}, {item.size}, {item.place}" for item in backwards)
    synonyms = {"small": "little", "big": "large"}
    renamed = [replace(item, size=synonyms[item.size]) for item in scene.objects]
    others = (
        f"on {background} there is {_listed(backwards)}",
        f"on {background}: {notes or 'nothing'}",
        f"a {background} picture with {_listed(renamed, '{size} {color} {shape} in the {place}')}",
        f"{_listed(renamed[::-1], '{color} {shape}, {size}, at the {place}')}, {background} background",
    )
    canonical_reversed = f"{_listed(backwards)} on {background}"
    return others if canonical_reversed == caption(scene) else (*others, canonical_reversed)


def _listed(objects: Sequence[SceneObject], template: str = "{size} {color} {shape} at the {place}") -> str:
    phrases = [template.format(**asdict(item)) for item in objects]
    return (
        " and ".join(f"{'an' if phrase[0] in 'aeiou' else 'a'} {phrase}" for phrase in phrases) or "nothing"
    )


def parse_caption(text: str) -> Scene | None:
    """The scene that a caption describes; None if the caption cannot be parsed.

    It parses the canonical caption, all paraphrases, and other captions of the same words with exactly one
    background, and for each object one shape, color, size and place next to each other in any order.
    """
    facts: list[tuple[str, str]] = []  # (kind, word) in order of mention
    backgrounds: list[str] = []
    place: list[str] = []
    is_empty = False
    for token in [*_TOKEN.findall(text.lower()), "."]:
        word = _PLACE_WORDS.get(token, token)
        if word in _PLACE_PARTS:
            place.append(word)
            continue
        if place and (word not in _FILLERS or word == "and"):
            facts.append(("place", _PLACES.get(frozenset(place), "")))
            place = []
        if word in SHAPES:
            facts.append(("shape", word))
        elif word in COLORS:
            facts.append(("color", word))
        elif word in _SIZE_WORDS:
            facts.append(("size", _SIZE_WORDS[word]))
        elif word in BACKGROUNDS:
            backgrounds.append(word)
        elif word == "nothing":
            is_empty = True
        elif word not in _FILLERS and word.isalnum():
            return None
    objects = _objects(facts)
    if len(backgrounds) != 1 or objects is None or is_empty == bool(objects):
        return None
    return Scene(objects, backgrounds[0])


def _objects(facts: list[tuple[str, str]]) -> tuple[SceneObject, ...] | None:
    """One object for each four consecutive facts; None if they are not of four different kinds."""
    if len(facts) % 4 or len(facts) > 4 * MAX_OBJECTS:
        return None
    objects = []
    for start in range(0, len(facts), 4):
        words_by_kind = dict(facts[start : start + 4])
        if len(words_by_kind) != 4 or not words_by_kind["place"]:
            return None
        objects.append(SceneObject(**words_by_kind))
    return tuple(objects)


def words() -> frozenset[str]:
    """All words that `parse_caption` knows, in lower case, including those of captions and paraphrases."""
    return frozenset(
        [*SHAPES, *COLORS, *SIZES, *_SIZE_WORDS, *_PLACE_PARTS, *_PLACE_WORDS, *BACKGROUNDS, *_FILLERS]
    )

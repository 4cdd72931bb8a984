"""Compares scenes by their facts: background, and shape, color, size and place of each object."""

from __future__ import annotations

from itertools import permutations

from lexipix.scenes.grammar import Scene, SceneObject


def attribute_accuracy(expected: Scene, seen: Scene) -> float:
    """Share of the expected facts that were seen, 0 to 1; a missing object's facts count as wrong."""
    return _n_found(expected, seen) / _n_facts(expected)


def attribute_f1(expected: Scene, seen: Scene) -> float:
    """F1 score of the facts, 0 to 1; unlike `attribute_accuracy`, superfluous objects lower it."""
    return 2 * _n_found(expected, seen) / (_n_facts(expected) + _n_facts(seen))


def _n_facts(scene: Scene) -> int:
    return 1 + 4 * len(scene.objects)


def _n_found(expected: Scene, seen: Scene) -> int:
    """Facts of ``expected`` found in ``seen``, after the best one-to-one matching of their objects."""
    few, many = sorted((expected.objects, seen.objects), key=len)
    best = max(
        sum(_agreeing(a, b) for a, b in zip(few, chosen, strict=True))
        for chosen in permutations(many, len(few))
    )
    return best + (expected.background == seen.background)


def _agreeing(a: SceneObject, b: SceneObject) -> int:
    return (a.shape == b.shape) + (a.color == b.color) + (a.size == b.size) + (a.place == b.place)

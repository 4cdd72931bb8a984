"""Embedded captioned scenes, which need no download: grammar, renderer, and oracle, which recognizes them."""

from lexipix.scenes.captions import caption, paraphrases, parse_caption, words
from lexipix.scenes.facts import attribute_accuracy, attribute_f1
from lexipix.scenes.grammar import Scene, SceneObject, is_drawable, sample_scene
from lexipix.scenes.oracle import Oracle
from lexipix.scenes.renderer import render_many
from lexipix.scenes.truth import SceneTruth

__all__ = [
    "Oracle",
    "Scene",
    "SceneObject",
    "SceneTruth",
    "attribute_accuracy",
    "attribute_f1",
    "caption",
    "is_drawable",
    "paraphrases",
    "parse_caption",
    "render_many",
    "sample_scene",
    "words",
]

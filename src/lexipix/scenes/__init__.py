"""Embedded captioned scenes: a grammar, a renderer, and an oracle that recognizes scenes in images.

The scenes need no download, and their content is known exactly, so captions and images of a model can be
checked fact by fact.
"""

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

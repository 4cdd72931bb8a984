from dataclasses import replace

import numpy as np
import pytest
from tests.support.evaluation_fixtures import ListStream, NoCheckpoints

from lexipix.evaluation.evaluator import train_contrastive_evaluator
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Split


@pytest.fixture
def train(evaluation, run):
    """Trains an evaluator on splits."""

    def go(splits):
        bundle, *_ = train_contrastive_evaluator(
            splits, evaluation.evaluator, run, ListStream(), NoCheckpoints()
        )
        return bundle

    return go


def blind(split, indices=None):
    """A split without some of its captions; without any, if no indices are given."""
    captions = split.captions["caption"].copy()
    captions[slice(None) if indices is None else indices] = None
    return Split(split.images, split.captions.assign(caption=captions))


def test_same_seed_same_evaluator(train, evaluator, image_splits):
    again = train(image_splits)
    for name, weights in evaluator.weights.items():
        np.testing.assert_array_equal(weights, again.weights[name])


def test_it_learns_from_train_and_val_and_from_nothing_else(train, evaluator, image_splits):
    others = replace(image_splits, test=blind(image_splits.test), pairs=blind(image_splits.pairs))
    same = train(others)
    assert all((same.weights[name] == weights).all() for name, weights in evaluator.weights.items())
    for split in ("train", "val"):
        fewer = train(replace(image_splits, **{split: blind(image_splits[split], [0])}))
        assert any(
            fewer.weights[name].shape != weights.shape or (fewer.weights[name] != weights).any()
            for name, weights in evaluator.weights.items()
        ), split


def test_too_few_captions_are_refused_with_the_fix(train, image_splits):
    nothing = replace(image_splits, train=blind(image_splits.train))
    with pytest.raises(LexipixError, match=r"8 images outside the test split have a caption.*add captions"):
        train(nothing)

import numpy as np
import pytest
from tests.support.evaluation_fixtures import ListStream, NoCheckpoints

from lexipix.evaluation import captioning
from lexipix.evaluation.evaluator import caption_evaluator_split, train_contrastive_evaluator
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Split


def test_same_seed_same_evaluator(evaluator, image_splits, evaluation, run):
    again, *_ = train_contrastive_evaluator(
        image_splits.judge, evaluation.evaluator, run, "d", ListStream(), NoCheckpoints()
    )
    for name, weights in evaluator.weights.items():
        np.testing.assert_array_equal(weights, again.weights[name])


def test_the_captioner_writes_captions_if_too_few_are_given(
    captioner, image_splits, evaluation, run, monkeypatch
):
    monkeypatch.setattr(
        captioning, "write_captions", lambda *args, **_: [f"seen {i}" for i in range(len(args[2]))]
    )
    captions = image_splits.judge.captions["caption"].where(np.arange(48) % 6 == 0, None)
    split = Split(image_splits.judge.images, image_splits.judge.captions.assign(caption=captions))
    found, n_described = caption_evaluator_split(split, captioner, evaluation.evaluator, run)
    assert n_described == 40 and found.captions["caption"].notna().all()
    assert found.captions["caption"][0] == image_splits.judge.captions["caption"][0]
    assert found.captions["caption"][7] == "seen 5" and found.captions["caption_source"][7] == "generated"
    assert split.captions["caption"].isna().sum() == 40, "the split is as it was"
    enough = evaluation.evaluator.model_copy(update={"min_captioned": 8})
    assert caption_evaluator_split(split, captioner, enough, run) == (split, 0)
    assert caption_evaluator_split(image_splits.judge, captioner, evaluation.evaluator, run) == (
        image_splits.judge,
        0,
    )


def test_too_few_captions_are_refused_with_the_fix(image_splits, evaluation, run):
    table = image_splits.judge.captions.assign(caption=None)
    with pytest.raises(LexipixError, match=r"has 0 pictures with a caption.*ingestion\.splits\.judge"):
        train_contrastive_evaluator(
            Split(image_splits.judge.images, table),
            evaluation.evaluator,
            run,
            "d",
            ListStream(),
            NoCheckpoints(),
        )

import numpy as np
import pandas as pd

from lexipix.data.images import Subset
from lexipix.evaluation.baselines import mean_image, measure_baselines, same_caption_pairs
from lexipix.evaluation.evaluated_images import EvaluatedImages
from lexipix.scenes import SceneTruth
from lexipix.utils.types import Split


def test_mean_image_by_hand():
    images = np.stack([np.full((8, 8, 3), value, np.uint8) for value in (0, 255, 255)])
    assert (mean_image(images) == 170).all()


def test_mean_image_of_many_is_that_of_all_at_once():
    images = np.random.default_rng(0).integers(0, 256, (2500, 8, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(mean_image(images), np.rint(images.mean(axis=0)).astype(np.uint8))
    rows = np.arange(0, 2500, 2)
    np.testing.assert_array_equal(
        mean_image(Subset(images, rows)), np.rint(images[rows].mean(axis=0)).astype(np.uint8)
    )


def test_partners_share_the_caption_or_else_the_label():
    table = pd.DataFrame({"caption": ["a", "b", None, "x"], "label": ["cat", "dog", "dog", None]})
    pool = pd.DataFrame({"caption": ["a", "c", "a", None], "label": ["cat", "dog", "cat", "fish"]})
    rows, partners = same_caption_pairs(table, pool, seed=0)
    assert rows.tolist() == [0, 1, 2]  # the last has neither
    assert partners[0] in (0, 2) and partners[1:].tolist() == [1, 1]


def test_without_captions_or_labels_there_is_no_such_baseline():
    nothing = pd.DataFrame({"caption": [None, None], "label": [None, None]})
    assert len(same_caption_pairs(nothing, nothing, seed=0)[0]) == 0
    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    real = EvaluatedImages(images, nothing, [None, None], ["a", "b"], None)
    assert set(measure_baselines(real, Split(images, nothing), 0)) == {"mean_image"}


def test_scene_truth_of_what_is_no_scene():
    assert SceneTruth.of(["a photo of a cat"], 32) is None


def test_scene_truth_reads_its_own_drawings(image_splits):
    truth = SceneTruth.of(image_splits.test.captions["caption"].tolist(), 32)
    assert truth is not None
    assert truth.accuracy(image_splits.test.images) > 0.97
    assert truth.accuracy(image_splits.test.images[::-1]) < 0.6
    assert not np.array_equal(truth.redraw(1), truth.redraw(2))
    np.testing.assert_array_equal(truth.redraw(None), truth.redraw(None))

import numpy as np
import pytest

from lexipix.evaluation.memorization import (
    find_neighbors,
    memorization_metrics,
    neighbors_sheet,
)
from lexipix.metrics.distribution import Neighbors
from lexipix.reporting.contact_sheet import GAP, MARGIN


class QuarterColors:
    """An embedder whose features are the mean color of each quarter."""

    def __init__(self):
        self.seen = []

    def embed_images(self, images):
        self.seen.append(len(images))
        pixels = images[np.arange(len(images))].astype(np.float32)
        quarters = pixels.reshape(len(images), 2, 16, 2, 16, 3).mean(axis=(2, 4))
        features = quarters.reshape(len(images), -1)
        return features, features


def test_copies_are_found_with_their_originals(image_splits):
    train = image_splits.train.images
    copies = train[5:25]
    found = find_neighbors({"real": image_splits.test.images, "gan": copies}, train, QuarterColors(), None)
    assert found["gan"].indices.shape == (20, 3)
    assert found["gan"].indices[:, 0].tolist() == list(range(5, 25))
    assert found["gan"].distances[:, 0] == pytest.approx(0, abs=1e-2)
    assert (np.diff(found["gan"].distances, axis=1) >= 0).all()
    metrics = memorization_metrics(found)
    assert metrics["gan"]["distance_ratio"] == pytest.approx(0, abs=1e-2)
    assert metrics["gan"]["very_near_share"] == 1.0


def test_new_images_of_the_same_kind_are_as_far_as_real_ones(image_splits):
    sets = {"real": image_splits.test.images, "vae": image_splits.pairs.images}
    metrics = memorization_metrics(find_neighbors(sets, image_splits.train.images, QuarterColors(), None))
    assert 0.6 < metrics["vae"]["distance_ratio"] < 1.6
    assert metrics["vae"]["very_near_share"] < 0.2
    assert set(metrics["real"]) == {"median", "threshold"}


def test_by_hand():
    indices = np.zeros((4, 1), np.int64)
    real = Neighbors(indices, np.array([[2.0], [4.0], [4.0], [6.0]]))
    drawn = Neighbors(indices, np.array([[0.0], [1.0], [5.0], [9.0]]))
    metrics = memorization_metrics({"real": real, "gan": drawn})
    assert metrics["real"] == {"median": 4.0, "threshold": pytest.approx(2.06)}
    assert metrics["gan"] == {"distance_ratio": 0.75, "very_near_share": 0.5}


def test_if_real_images_are_copies_too_there_is_no_ratio():
    zero = Neighbors(np.zeros((3, 1), np.int64), np.zeros((3, 1)))
    assert memorization_metrics({"real": zero, "gan": zero})["gan"]["distance_ratio"] is None


def test_at_most_n_train_training_images_are_searched(image_splits):
    embedder = QuarterColors()

    found = find_neighbors({"real": image_splits.test.images[:4]}, image_splits.train.images, embedder, 7)
    assert embedder.seen == [4, 7]
    assert set(found["real"].indices.ravel()) <= {0, 6, 13, 20, 26, 32, 33, 39, 19, 7}
    assert found["real"].indices.max() > 7  # numbers of the whole split


def test_the_sheet_shows_the_nearest_first_and_others(image_splits, test_captions):
    real, prompts = image_splits.test.images, test_captions["caption"].tolist()
    drawn = image_splits.test.images.copy()
    drawn[7] = image_splits.train.images[3]
    found = find_neighbors(
        {"real": real, "champion": drawn}, image_splits.train.images, QuarterColors(), None
    )
    sheet = neighbors_sheet(drawn, prompts, found, image_splits.train.images, 4)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    large = np.repeat(np.repeat(image_splits.train.images[3], 3, axis=0), 3, axis=1)
    tops = [
        [y for y in range(sheet.shape[0] - 95) if np.array_equal(sheet[y : y + 96, x : x + 96], large)]
        for x in (MARGIN, MARGIN + 96 + GAP)
    ]
    assert tops[0] == tops[1][:1]  # drawn, and beside it the nearest
    assert tops[0][0] < 100  # in the first row
    assert neighbors_sheet(drawn, prompts, found, image_splits.train.images, 100).shape[0] > sheet.shape[0]

import numpy as np
import pytest

from lexipix.config.evaluation import MemorisationParameters
from lexipix.evaluation.measure import evaluated
from lexipix.evaluation.memorisation import Neighbours, compare, nearest, show
from lexipix.reporting.contact_sheet import GAP, MARGIN


class Eye:
    """A judge that sees the mean color of each quarter."""

    def __init__(self):
        self.seen = []

    def look(self, images):
        self.seen.append(len(images))
        quarters = np.asarray(images, np.float32).reshape(len(images), 2, 16, 2, 16, 3).mean(axis=(2, 4))
        features = quarters.reshape(len(images), -1)
        return features, features


PARAMETERS = MemorisationParameters(n_drawn=10, n_train=None, n_shown=4)


def test_copies_are_found_with_their_originals(pictures):
    train = pictures.train.images
    copies = train[5:25]
    found = nearest({"real": pictures.test.images, "gan": copies}, train, Eye(), PARAMETERS)
    assert found["gan"].rows.shape == (20, 3)
    assert found["gan"].rows[:, 0].tolist() == list(range(5, 25))
    assert found["gan"].distances[:, 0] == pytest.approx(0, abs=1e-2)
    assert (np.diff(found["gan"].distances, axis=1) >= 0).all()
    figures = compare(found)
    assert figures["gan"]["distance_ratio"] == pytest.approx(0, abs=1e-2)
    assert figures["gan"]["very_near_share"] == 1.0


def test_new_pictures_of_the_same_kind_are_as_far_as_real_ones(pictures):
    sets = {"real": pictures.test.images, "vae": pictures.judge.images}
    figures = compare(nearest(sets, pictures.train.images, Eye(), PARAMETERS))
    assert 0.6 < figures["vae"]["distance_ratio"] < 1.6
    assert figures["vae"]["very_near_share"] < 0.2
    assert set(figures["real"]) == {"median", "mark"}


def test_by_hand():
    rows = np.zeros((4, 1), np.int64)
    real = Neighbours(rows, np.array([[2.0], [4.0], [4.0], [6.0]]))
    drawn = Neighbours(rows, np.array([[0.0], [1.0], [5.0], [9.0]]))
    figures = compare({"real": real, "gan": drawn})
    assert figures["real"] == {"median": 4.0, "mark": pytest.approx(2.06)}
    assert figures["gan"] == {"distance_ratio": 0.75, "very_near_share": 0.5}


def test_where_real_pictures_are_copies_too_there_is_no_ratio():
    zero = Neighbours(np.zeros((3, 1), np.int64), np.zeros((3, 1)))
    assert compare({"real": zero, "gan": zero})["gan"]["distance_ratio"] is None


def test_at_most_so_many_training_pictures_are_looked_at(pictures):
    eye = Eye()
    few = PARAMETERS.model_copy(update={"n_train": 7})
    found = nearest({"real": pictures.test.images[:4]}, pictures.train.images, eye, few)
    assert eye.seen == [4, 7]
    assert set(found["real"].rows.ravel()) <= {0, 6, 13, 20, 26, 32, 33, 39, 19, 7}
    assert found["real"].rows.max() > 7  # numbers of the whole split


def test_the_sheet_shows_the_nearest_first_and_others(pictures, evaluation, test_captions):
    real = evaluated(evaluation, pictures, test_captions)
    drawn = pictures.test.images.copy()
    drawn[7] = pictures.train.images[3]
    found = nearest({"real": real.images, "champion": drawn}, pictures.train.images, Eye(), PARAMETERS)
    sheet = show(np.arange(30), real, drawn, found, pictures.train.images, 4)
    assert sheet.dtype == np.uint8 and sheet.shape[2] == 3
    large = np.repeat(np.repeat(pictures.train.images[3], 3, axis=0), 3, axis=1)
    tops = [
        [y for y in range(sheet.shape[0] - 95) if np.array_equal(sheet[y : y + 96, x : x + 96], large)]
        for x in (MARGIN, MARGIN + 96 + GAP)
    ]
    assert tops[0] == tops[1][:1]  # drawn, and beside it the nearest
    assert tops[0][0] < 100  # in the first row
    assert show(np.arange(30), real, drawn, found, pictures.train.images, 100).shape[0] > sheet.shape[0]

import numpy as np
import pytest

from lexipix.data.images import evenly_spaced
from lexipix.evaluation.evaluated_images import select_evaluated_images
from lexipix.utils.errors import LexipixError


def test_a_part_is_spread_over_the_whole(evaluation, image_splits, test_captions):
    part = select_evaluated_images(evaluation.model_copy(update={"n_images": 4}), image_splits, test_captions)
    assert part.table["file"].tolist() == ["2-0.png", "2-10.png", "2-19.png", "2-29.png"]
    np.testing.assert_array_equal(part.images[1], image_splits.test.images[10])
    assert part.references[1] == part.prompts[1] == test_captions["truth"][10]


def test_captions_of_other_pictures_are_refused(evaluation, image_splits, test_captions):
    with pytest.raises(LexipixError, match="kedro run --pipelines captioner"):
        select_evaluated_images(evaluation, image_splits, test_captions[::-1])


def test_indices_are_evenly_spaced():
    assert evenly_spaced(30, 4).tolist() == [0, 10, 19, 29]
    assert evenly_spaced(3, None).tolist() == evenly_spaced(3, 9).tolist() == [0, 1, 2]
    assert evenly_spaced(0, 4).tolist() == evenly_spaced(5, 0).tolist() == []

import numpy as np
import pytest

from lexipix.training.memory import _n_images_within
from lexipix.utils.packed_images import pack

NOISE = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), np.uint8)


@pytest.mark.parametrize(("max_mb", "share"), [(100.0, 1.0), (0.1, None), (1e-6, 1 / 300)])
def test_a_memory_holds_as_many_images_as_fit_and_at_least_one(max_mb, share):
    n_images = _n_images_within(NOISE, max_mb)
    if share is None:
        assert 1 < n_images < 300
        assert len(pack(NOISE[:n_images])[0]) == pytest.approx(1e6 * max_mb, rel=0.05)
    else:
        assert n_images == share * 300

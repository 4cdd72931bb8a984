import numpy as np
import pytest

from lexipix.training.sample_grid import tile_pairs

RED, BLUE = (200, 0, 0), (0, 0, 200)


def images(n, size, color):
    return np.broadcast_to(np.array(color, np.uint8), (n, size, size, 3)).copy()


def test_each_picture_stands_above_its_partner_in_whole_pixels():
    above, below = images(2, 32, RED), images(2, 32, BLUE)
    above[1, 0, 0] = 255
    sheet = tile_pairs(above, below)
    assert sheet.shape == (96 + 2 + 96, 96 + 8 + 96, 3)
    assert (sheet[:96, :96] == RED).all() and (sheet[98:, :96] == BLUE).all()
    assert (sheet[:, 96:104] == 255).all() and (sheet[96:98] == 255).all()
    assert (sheet[:3, 104:107] == 255).all() and (sheet[3, 104] == RED).all()


@pytest.mark.parametrize(("n", "size"), [(1, 32), (3, 16), (8, 32), (12, 64), (16, 32), (16, 128)])
def test_a_sheet_is_nearly_square_however_many_pictures_it_shows(n, size):
    height, width, _ = tile_pairs(images(n, size, RED), images(n, size, BLUE)).shape
    assert 0.4 <= width / height <= 2.1

import io

import numpy as np
import pytest
from PIL import Image

from lexipix.metrics.codecs import JPEG_COLORS, jpeg, jpeg_payload, webp
from lexipix.metrics.images import psnr


def smooth(n: int = 3, side: int = 32) -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (n, 4, 4, 3), dtype=np.uint8)
    return np.stack([np.asarray(Image.fromarray(one).resize((side, side), Image.BICUBIC)) for one in small])


def files(images: np.ndarray, kind: str, **options: object) -> list[bytes]:
    found = []
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return found


@pytest.mark.parametrize("colors", JPEG_COLORS)
def test_more_quality_is_nearer_and_larger(colors: str) -> None:
    images = smooth()
    low, high = jpeg(images, 10, colors), jpeg(images, 95, colors)
    assert low.images.shape == images.shape and low.images.dtype == np.uint8
    assert psnr(images, low.images).mean() + 5 < psnr(images, high.images).mean()
    assert (low.n_bytes < high.n_bytes).all() and (low.n_payload < high.n_payload).all()
    assert (low.n_payload > 0).all() and (low.n_payload < low.n_bytes).all()


def test_webp_likewise() -> None:
    images = smooth()
    low, high = webp(images, 10), webp(images, 95)
    assert psnr(images, low.images).mean() + 5 < psnr(images, high.images).mean()
    assert (low.n_bytes < high.n_bytes).all()
    sizes = np.array([len(file) for file in files(images, "WEBP", quality=10, method=6)])
    np.testing.assert_array_equal(low.n_bytes, sizes)
    assert set(low.n_bytes - low.n_payload) <= {30, 31}  # headers, and where need be a byte of padding


def test_all_that_stands_before_a_jpegs_scan_is_the_same_in_every_file() -> None:
    several = files(smooth(8), "JPEG", quality=50)
    heads = {file[: len(file) - 2 - jpeg_payload(file)] for file in several}
    assert len(heads) == 1
    assert heads.pop().endswith(bytes([0x00, 0x3F, 0x00]))  # the scan's header ends with its spectral range


def test_a_scan_with_restart_markers_is_counted_whole() -> None:
    (file,) = files(smooth(1), "JPEG", quality=50, restart_marker_rows=1)
    assert file.count(b"\xff\xd0") >= 1
    assert jpeg_payload(file) > jpeg_payload(files(smooth(1), "JPEG", quality=50)[0])


def test_own_tables_count_only_where_they_pay() -> None:
    images = smooth()
    standard = [len(file) for file in files(images, "JPEG", quality=50)]
    own = [len(file) for file in files(images, "JPEG", quality=50, optimize=True)]
    assert jpeg(images, 50, "4:2:0").n_bytes.tolist() == np.minimum(standard, own).tolist()


def test_same_pictures_same_bytes() -> None:
    images = smooth()
    for one, again in ([jpeg(images, 40, "4:2:0") for _ in range(2)], [webp(images, 40) for _ in range(2)]):
        np.testing.assert_array_equal(one.images, again.images)
        np.testing.assert_array_equal(one.n_bytes, again.n_bytes)

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.support.reference_metrics import psnr_and_ssim

from lexipix.metrics import images as measures

pixel_pairs = hnp.array_shapes(min_dims=2, max_dims=2, min_side=7, max_side=13).flatmap(
    lambda side: st.tuples(
        hnp.arrays(np.uint8, (2, *side, 3), elements=st.integers(0, 255)),
        hnp.arrays(np.uint8, (2, *side, 3), elements=st.integers(0, 255)),
    )
)


def smooth_pairs(n: int, height: int = 32, width: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """Pictures with large plain surfaces and mild errors, as decoders make them."""
    rng = np.random.default_rng(3)
    coarse = rng.integers(0, 256, (n, height // 8 + 1, width // 8 + 1, 3))
    images = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)[:, :height, :width].astype(np.uint8)
    noise = rng.integers(-6, 7, images.shape) * rng.integers(0, 2, (n, 1, 1, 1))
    return images, np.clip(images.astype(int) + noise, 0, 255).astype(np.uint8)


class TestAgainstScikitImage:
    @pytest.mark.parametrize("n_images", [1, 15, 16, 17, 150])
    def test_equal_for_every_image_whatever_the_number(self, n_images: int) -> None:
        images, others = smooth_pairs(n_images)
        psnr, ssim = psnr_and_ssim(images[::1], others)
        differing = (images != others).any(axis=(1, 2, 3))
        np.testing.assert_allclose(measures.psnr(images, others)[differing], psnr[differing], atol=1e-9)
        np.testing.assert_allclose(measures.ssim(images, others), ssim, atol=1e-6)

    def test_equal_on_noise_and_on_extremes(self) -> None:
        rng = np.random.default_rng(0)
        noise = rng.integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
        black, white = np.zeros_like(noise[:1]), np.full_like(noise[:1], 255)
        nearly = white.copy()
        nearly[0, 5, 5] = 254
        images = np.concatenate([noise, black, white, white, noise[:1]])
        others = np.concatenate([noise[::-1], white, black, nearly, white])
        psnr, ssim = psnr_and_ssim(images, others)
        np.testing.assert_allclose(measures.psnr(images, others), psnr, atol=1e-9)
        np.testing.assert_allclose(measures.ssim(images, others), ssim, atol=1e-6)

    @pytest.mark.parametrize("shape", [(3, 7, 7, 3), (3, 9, 40, 3), (2, 64, 48, 1), (2, 130, 130, 2)])
    def test_equal_for_other_sizes_and_channels(self, shape: tuple[int, ...]) -> None:
        rng = np.random.default_rng(1)
        images = rng.integers(0, 256, shape, dtype=np.uint8)
        others = (images // 2 + rng.integers(0, 128, shape)).astype(np.uint8)
        psnr, ssim = psnr_and_ssim(images, others)
        np.testing.assert_allclose(measures.psnr(images, others), psnr, atol=1e-9)
        np.testing.assert_allclose(measures.ssim(images, others), ssim, atol=1e-6)

    @settings(max_examples=40, deadline=None)
    @given(pixel_pairs)
    def test_equal_on_anything(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        ssim = psnr_and_ssim(*pair)[1] if (pair[0] != pair[1]).any(axis=(1, 2, 3)).all() else None
        if ssim is not None:
            np.testing.assert_allclose(measures.ssim(*pair), ssim, atol=1e-6)

    def test_a_memory_mapped_store_is_read_as_it_is(self, tmp_path) -> None:
        images, others = smooth_pairs(40)
        np.save(tmp_path / "images.npy", images)
        mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
        np.testing.assert_array_equal(measures.ssim(mapped, others), measures.ssim(images, others))
        np.testing.assert_array_equal(
            measures.psnr(mapped[::2], others[::2]), measures.psnr(images, others)[::2]
        )


class TestPsnr:
    def test_worked_by_hand(self) -> None:
        image = np.zeros((1, 2, 2, 3), np.uint8)
        off_by_ten = image + np.uint8(10)
        assert measures.psnr(image, off_by_ten)[0] == pytest.approx(10 * np.log10(255**2 / 100))
        half = image.copy()
        half[0, 0] = 255  # mean squared error 255^2 / 2
        assert measures.psnr(image, half)[0] == pytest.approx(3.0103, abs=1e-4)
        assert measures.psnr(image, image + np.uint8(255))[0] == 0

    def test_identical_images_count_as_the_cap_and_no_other_pair_reaches_it(self) -> None:
        image = np.full((1, 64, 64, 3), 7, np.uint8)
        least = image.copy()
        least[0, 0, 0, 0] = 8
        assert measures.psnr(image, image)[0] == measures.PSNR_CAP
        assert measures.psnr(image, least)[0] < measures.PSNR_CAP

    @settings(max_examples=30, deadline=None)
    @given(pixel_pairs)
    def test_symmetric(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        np.testing.assert_array_equal(measures.psnr(*pair), measures.psnr(*pair[::-1]))


class TestSsim:
    @settings(max_examples=30, deadline=None)
    @given(pixel_pairs)
    def test_symmetric_bounded_and_one_for_itself(self, pair: tuple[np.ndarray, np.ndarray]) -> None:
        figures = measures.ssim(*pair)
        np.testing.assert_allclose(figures, measures.ssim(*pair[::-1]), atol=1e-7)
        assert (np.abs(figures) <= 1 + 1e-6).all()
        np.testing.assert_array_equal(measures.ssim(pair[0], pair[0]), 1)

    def test_plain_black_against_white_by_hand(self) -> None:
        black = np.zeros((1, 8, 8, 3), np.uint8)
        c1 = (0.01 * 255) ** 2
        expected = c1 / (255**2 + c1)  # no variance: only the luminance term is left
        assert measures.ssim(black, black + np.uint8(255))[0] == pytest.approx(expected, rel=1e-5)

    def test_result_does_not_depend_on_the_number_of_threads(self, monkeypatch) -> None:
        images, others = smooth_pairs(200)
        several = measures.ssim(images, others)
        monkeypatch.setattr("lexipix.utils.threads.n_cores", lambda: 1)
        np.testing.assert_array_equal(several, measures.ssim(images, others))

    def test_smaller_than_the_window_is_refused(self) -> None:
        image = np.zeros((1, 6, 9, 3), np.uint8)
        with pytest.raises(ValueError, match="at least 7x7 pixels, got 6x9"):
            measures.ssim(image, image)


@pytest.mark.parametrize("measure", [measures.psnr, measures.ssim])
class TestBothMeasures:
    def test_no_images_give_no_figures(self, measure) -> None:
        assert measure(np.zeros((0, 32, 32, 3), np.uint8), np.zeros((0, 32, 32, 3), np.uint8)).shape == (0,)

    def test_floats_and_unequal_shapes_are_refused(self, measure) -> None:
        image = np.zeros((2, 8, 8, 3), np.uint8)
        with pytest.raises(ValueError, match="uint8"):
            measure(image.astype(np.float32), image)
        with pytest.raises(ValueError, match="pairs of one shape"):
            measure(image, image[:1])

    def test_inputs_stay_as_they_are(self, measure) -> None:
        images, others = smooth_pairs(20)
        before = images.copy(), others.copy()
        measure(images, others)
        np.testing.assert_array_equal(images, before[0])
        np.testing.assert_array_equal(others, before[1])


class TestGradientMagnitude:
    def test_a_ramp_by_hand(self) -> None:
        image = np.zeros((1, 4, 4, 3), np.uint8)
        image[0] = np.arange(4)[None, :, None] * 3 + np.arange(4)[:, None, None] * 4
        assert measures.gradient_magnitude(image) == pytest.approx(5)  # sqrt(3^2 + 4^2)

    def test_blurring_lowers_it_and_plain_has_none(self) -> None:
        images, _ = smooth_pairs(600)
        blurred = ((images[:, :-1].astype(int) + images[:, 1:]) // 2).astype(np.uint8)
        assert measures.gradient_magnitude(blurred) < measures.gradient_magnitude(images)
        assert measures.gradient_magnitude(np.full((2, 8, 8, 3), 9, np.uint8)) == 0

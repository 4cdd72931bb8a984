import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexipix.metrics.quantization import UniformQuantizer, code_lengths


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape)


class TestUniformQuantizer:
    def test_by_hand(self) -> None:
        two = UniformQuantizer(np.array([0.0]), np.array([1.0]), 2)
        numbers = np.array([[-9.0], [0.2], [1.0], [3.9], [9.0]])
        assert two.codes(numbers).ravel().tolist() == [0, 0, 1, 3, 3]
        assert two.values(two.codes(numbers)).ravel().tolist() == [0.5, 0.5, 1.5, 3.5, 3.5]

    def test_one_bit_of_normal_numbers_is_near_the_best_possible(self) -> None:
        """Max 1960: +-0.798 with a mean squared error of 0.3634; two bits and uniform steps: 0.1188."""
        numbers = normal(1, 200_000)
        for n_bits, best in ((1, 0.3634), (2, 0.1188), (4, 0.01154)):
            one = UniformQuantizer.fit(numbers, n_bits)
            error = np.square(one.values(one.codes(numbers.T)) - numbers.T).mean()
            assert best * 0.98 < error < best * 1.08

    def test_each_channel_has_its_own_range(self) -> None:
        numbers = normal(2, 5_000) * [[1.0], [50.0]] + [[0.0], [300.0]]
        one = UniformQuantizer.fit(numbers, 6)
        errors = np.abs(one.values(one.codes(numbers.T)) - numbers.T).mean(axis=0)
        assert errors[1] == pytest.approx(50 * errors[0], rel=0.2)

    def test_of_a_given_step_all_numbers_are_inside_and_zero_stays(self) -> None:
        numbers = normal(2, 4_000) * [[1.0], [3.0]]
        step = np.array([0.5, 2.0])
        one = UniformQuantizer.of_step(numbers, step)
        back = one.values(one.codes(numbers.T))
        assert (np.abs(back - numbers.T) <= step / 2 + 1e-9).all()
        assert one.values(one.codes(np.zeros((1, 2)))) == pytest.approx(0)
        assert one.n_bits == 4 and np.array_equal(one.step, step)

    def test_constant_channels_stay(self) -> None:
        one = UniformQuantizer.fit(np.full((1, 10), 3.0), 1)
        assert one.values(one.codes(np.full((4, 1), 3.0))) == pytest.approx(3.0)

    @settings(max_examples=20, deadline=None)
    @given(st.integers(1, 8), st.integers(0, 1000))
    def test_within_half_a_step_inside_the_range(self, n_bits: int, seed: int) -> None:
        numbers = np.random.default_rng(seed).uniform(-1, 1, (3, 500))
        one = UniformQuantizer.fit(numbers, n_bits)
        codes = one.codes(numbers.T)
        assert codes.min() >= 0 and codes.max() < 2**n_bits
        cells = (numbers.T - one.low) / one.step
        inside = (cells >= 0) & (cells <= 2**n_bits)
        error = np.abs(one.values(codes) - numbers.T)
        assert (error <= one.step / 2 + 1e-9)[inside].all()


class TestCodeLengths:
    def test_by_hand(self) -> None:
        sample = np.array([[0], [0], [1]])  # with one more of each of four: 3, 2, 1, 1 of 7
        codes = np.array([[[0], [0]], [[3], [3]]])
        bits = -2 * np.log2(np.array([3, 1]) / 7) + 2
        assert code_lengths(codes, sample, 4).tolist() == (np.ceil(bits / 8) * 8).tolist()

    def test_uniform_codes_cost_their_bits_and_rare_ones_more(self) -> None:
        rng = np.random.default_rng(0)
        flat = rng.integers(0, 16, (50_000, 2))
        flat_bits = code_lengths(flat.reshape(500, 100, 2), flat, 16).mean()
        assert flat_bits == pytest.approx(2 * 100 * 4, abs=12)
        skewed = np.minimum(rng.geometric(0.5, (50_000, 2)) - 1, 15)
        skewed_bits = code_lengths(skewed.reshape(500, 100, 2), skewed, 16).mean()
        assert skewed_bits == pytest.approx(400, abs=15)

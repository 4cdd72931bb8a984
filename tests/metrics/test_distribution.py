import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import reference_metrics

from lexipix.metrics.distribution import frechet_distance, kid, nearest_neighbors, precision_recall


def normal(n: int, width: int = 8, shift: float = 0.0, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, scale, (n, width))


class TestKid:
    def test_two_vectors_by_hand(self) -> None:
        real = np.array([[1.0], [-1.0]])
        fake = np.array([[1.0], [1.0]])
        # k(x, y) = (x y + 1)^3. Between the reals 0, between the fakes 8, across 8 and 0: 0 + 8 - 2 * 4.
        assert kid(real, fake, 3, 500, 0) == (0.0, 0.0)
        # Fakes at 2: between them 125, across 27 and -1: 0 + 125 - 2 * 13.
        assert kid(real, 2 * fake, 3, 500, 0)[0] == pytest.approx(99)

    @settings(max_examples=8, deadline=None)
    @given(st.integers(0, 10_000))
    def test_about_zero_within_one_distribution_and_larger_across(self, seed: int) -> None:
        real, same = normal(400, seed=seed), normal(400, seed=seed + 1)
        shifted = normal(400, shift=1, seed=seed + 2)
        floor, _ = kid(real, same, 3, 400, 0)
        assert abs(floor) < 0.3
        assert kid(real, shifted, 3, 400, 0)[0] > 5

    def test_same_seed_same_figure(self) -> None:
        real, fake = normal(300), normal(300, shift=0.2, seed=1)
        assert kid(real, fake, 5, 50, seed=4) == kid(real, fake, 5, 50, seed=4)
        assert kid(real, fake, 5, 50, seed=4) != kid(real, fake, 5, 50, seed=5)


class TestFrechetDistance:
    def test_by_hand(self) -> None:
        # Means differ by (3, 4), variances 1 and 4 against 4 and 4 on uncorrelated axes: 25 + (1-2)^2 + 0.
        corners = np.array([[1.0, 2.0], [1.0, -2.0], [-1.0, 2.0], [-1.0, -2.0]]) * np.sqrt(3 / 4)
        wide = np.array([[2.0, 2.0], [2.0, -2.0], [-2.0, 2.0], [-2.0, -2.0]]) * np.sqrt(3 / 4)
        assert frechet_distance(corners, wide + np.array([3.0, 4.0])) == pytest.approx(26)

    def test_zero_for_itself_and_symmetric(self) -> None:
        a, b = normal(100), normal(150, shift=0.5, scale=2, seed=1)
        assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9)
        assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))

    def test_finite_where_there_are_fewer_vectors_than_dimensions(self) -> None:
        distance = frechet_distance(
            normal(10, 64).astype(np.float32), normal(12, 64, seed=1).astype(np.float32)
        )
        assert np.isfinite(distance) and distance > 0

    def test_constant_features(self) -> None:
        assert frechet_distance(np.ones((5, 3)), np.zeros((5, 3))) == pytest.approx(3)


class TestPrecisionRecall:
    def test_one_distribution_covers_itself(self) -> None:
        precision, recall = precision_recall(normal(500, 4), normal(500, 4, seed=1))
        assert precision > 0.8 and recall > 0.8

    def test_a_collapsed_generator_is_precise_without_recall(self) -> None:
        real = normal(500, 4)
        precision, recall = precision_recall(real, 0.01 * normal(500, 4, seed=1))
        assert precision > 0.95
        assert recall < 0.05

    def test_far_away_is_neither(self) -> None:
        assert precision_recall(normal(50), normal(50, shift=100, seed=1)) == (0, 0)

    def test_on_a_line_by_hand(self) -> None:
        # With k=1 each real reaches 1 far, each fake 0.5: 0.5 lies within, 9 and 9.5 do not; no real is
        # reached.
        real, fake = np.array([[0.0], [1.0]]), np.array([[9.0], [9.5], [2.0], [2.5]])
        assert precision_recall(real, fake, k=1) == (1 / 4, 0)

    def test_of_few_vectors_the_last_neighbor_defines_the_radius(self) -> None:
        real, fake = normal(3), normal(50)
        assert precision_recall(real, fake) == precision_recall(real, fake, k=2)


class TestNearestNeighbors:
    def test_by_hand(self) -> None:
        vectors = np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
        indices, distances = nearest_neighbors(np.array([[3.0, 4.0], [0.0, 1.0]]), vectors, k=2)
        np.testing.assert_array_equal(indices[1], [0, 1])
        assert indices[0, 0] == 1
        np.testing.assert_allclose(distances, [[0, 5], [1, np.sqrt(18)]], atol=1e-6)

    def test_the_same_as_one_by_one(self) -> None:
        queries, vectors = normal(600, 3, seed=1), normal(50, 3)
        vectors[40] = vectors[10]  # at the same distance: the first counts
        indices, found = nearest_neighbors(queries, vectors, k=3)
        distances = np.linalg.norm(queries[:, None] - vectors[None], axis=2)
        order = np.argsort(distances, axis=1, kind="stable")[:, :3]
        np.testing.assert_array_equal(indices, order)
        np.testing.assert_allclose(found, np.take_along_axis(distances, order, axis=1))


@pytest.mark.parametrize("measure", [lambda a, b: kid(a, b, 3, 500, 0), frechet_distance, precision_recall])
def test_single_vectors_are_refused(measure) -> None:
    with pytest.raises(ValueError, match="at least two vectors"):
        measure(normal(1), normal(10))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(2, 30), st.floats(-2, 2))
def test_torchmetrics_agrees_with_the_formulas(seed: int, width: int, n: int, shift: float) -> None:
    real, fake = normal(30, width, seed=seed), normal(n, width, shift, scale=1.5, seed=seed + 1)
    assert kid(real, fake, 4, n, seed) == pytest.approx(reference_metrics.kid(real, fake, 4, n, seed))
    distance = reference_metrics.frechet_distance(real, fake)
    assert frechet_distance(real, fake) == pytest.approx(distance, rel=1e-5, abs=1e-6)

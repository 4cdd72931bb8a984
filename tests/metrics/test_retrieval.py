import numpy as np
import pytest

from lexipix.metrics.retrieval import CaptionRetrieval


def r_precision(images, texts, captions=None, n_candidates=100, seed=0):
    captions = captions or [str(number) for number in range(len(texts))]
    return CaptionRetrieval(captions, texts, n_candidates, seed).r_precision(images)


def test_a_perfect_pair_finds_every_caption() -> None:
    vectors = np.random.default_rng(0).normal(size=(300, 16))
    assert r_precision(vectors, 3 * vectors) == 1


def test_guessing_scores_one_in_n_candidates() -> None:
    rng = np.random.default_rng(1)
    figure = r_precision(rng.normal(size=(4000, 24)), rng.normal(size=(4000, 24)), n_candidates=20)
    assert figure == pytest.approx(1 / 20, abs=0.015)


def test_worked_by_hand() -> None:
    images = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    texts = np.array([[2.0, 0.1], [1.0, -1.0], [1.0, 0.9]])
    # All three captions compete: the first and third pictures find theirs, the second's is its farthest.
    assert r_precision(images, texts, n_candidates=3) == pytest.approx(2 / 3)


def test_the_same_caption_of_another_picture_is_no_error() -> None:
    rng = np.random.default_rng(2)
    texts = np.repeat(rng.normal(size=(10, 16)), 20, axis=0)
    captions = [f"caption {i // 20}" for i in range(200)]
    images = texts + 0.01 * rng.normal(size=texts.shape)
    assert r_precision(images, texts, captions, n_candidates=100) == 1
    assert r_precision(images, texts, None, n_candidates=100) < 0.3  # ties share the point


def test_equally_near_captions_share_the_point() -> None:
    same = np.ones((5, 3))
    assert r_precision(same, same, n_candidates=5) == pytest.approx(1 / 5)


def test_same_seed_same_figure() -> None:
    rng = np.random.default_rng(3)
    images, texts = rng.normal(size=(2, 700, 8))
    assert r_precision(images, texts, seed=5) == r_precision(images, texts, seed=5)
    assert r_precision(images, texts, seed=5) != r_precision(images, texts, seed=6)


def test_equal_captions_are_no_candidates() -> None:
    vectors, captions = np.eye(6), ["a", "a", "a", "b", "c", "d"]
    retrieval = CaptionRetrieval(captions, vectors, 100, 0)
    assert retrieval.n_candidates() == 4 and retrieval.n_candidates(np.array([0, 1])) == 1
    assert retrieval.r_precision(vectors) == 1
    assert CaptionRetrieval(captions, vectors, 3, 0).n_candidates() == 3
    assert CaptionRetrieval([], np.zeros((0, 6)), 100, 0).n_candidates() == 0


def test_images_of_some_of_the_captions() -> None:
    vectors = np.eye(3, dtype=np.float32)
    retrieval = CaptionRetrieval(["red", "green", "blue"], vectors, 100, 0)
    assert retrieval.r_precision(vectors) == 1
    assert retrieval.r_precision(vectors[[1, 2, 0]]) == 0
    assert retrieval.r_precision(vectors[[1, 0]], np.array([1, 0])) == 1

import numpy as np
import pytest

from lexipix.models.neighbor_memory import MAX_SIMILARITY, SAME_BONUS, NeighborMemory, memory_arrays

PAD, EOS, PART = 0, 1, 9
IS_WORD = ~np.isin(np.arange(10), [PAD, EOS, PART])
SHAPE = (8, 8, 3)
ROUNDING = 0.01  # vectors are stored in 8 bits


def unit(rows):
    rows = np.asarray(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def memory():
    """Four images: two wordings of the first, and one of each other."""
    rng = np.random.default_rng(0)
    wordings = [[[2, 3, EOS], [4, EOS, PAD]], [[2, 5, EOS]], [[6, 3, EOS]], [[7, 8, EOS]]]
    text_keys, image_keys = unit(rng.normal(size=(5, 6))), unit(rng.normal(size=(4, 6)))
    images = rng.integers(0, 256, (4, *SHAPE), np.uint8)
    arrays = memory_arrays(
        list(images),
        np.array([0, 2, 4, 6]),
        [[np.array(ids) for ids in texts] for texts in wordings],
        text_keys,
        image_keys,
        IS_WORD,
        PAD,
    )
    return NeighborMemory(arrays, SHAPE), images, text_keys, image_keys


def test_a_caption_finds_its_own_image_by_each_of_its_wordings(memory):
    memory, images, text_keys, _ = memory
    ids = np.array([[3, 2, EOS], [4, EOS, PAD], [8, 7, EOS]])
    found = memory.search(memory.word_sets(ids), text_keys[[0, 1, 4]], 2)
    place = found.similarities.argmax(1)[:, None]
    best = np.take_along_axis(found.rows, place, axis=1)[:, 0]
    assert best.tolist() == [0, 0, 3]
    assert (found.similarities.max(1) > SAME_BONUS).all()
    assert (found.similarities.min(1) <= MAX_SIMILARITY).all()
    assert np.array_equal(memory.images[best], images[[0, 0, 3]])


def test_the_similarity_is_a_sum_of_three_cosines(memory):
    memory, _, text_keys, image_keys = memory
    query = unit(np.ones((1, 6)))
    words = memory.word_sets(np.array([[2, 8, EOS]]))
    found = memory.search(words, query, 4)
    idf = {2: np.log(6 / 3) + 1, 8: np.log(6 / 2) + 1, 5: np.log(6 / 2) + 1}
    shared = idf[2] ** 2 / np.hypot(idf[2], idf[8]) / np.hypot(idf[2], idf[5])  # with the second image
    assert shared < 0.65
    expected = shared + query[0] @ text_keys[2] + query[0] @ image_keys[1]
    assert found.similarities[found.rows == 1][0] == pytest.approx(expected, abs=ROUNDING)


def test_beyond_a_limit_more_of_the_same_words_count_no_more(memory):
    memory, _, text_keys, image_keys = memory
    query = unit(np.ones((1, 6)))
    found = memory.search(memory.word_sets(np.array([[6, EOS]])), query, 4)  # half of the third caption
    looks = query[0] @ text_keys[3] + query[0] @ image_keys[2]
    assert found.similarities[found.rows == 2][0] == pytest.approx(0.65 + looks, abs=ROUNDING)


def test_the_results_are_in_the_order_of_the_images_and_hold_what_belongs_to_the_images(memory):
    memory, _, text_keys, image_keys = memory
    found = memory.search(memory.word_sets(np.array([[6, EOS]])), text_keys[:1], 4)
    assert found.rows[0].tolist() == [0, 1, 2, 3]
    np.testing.assert_allclose(found.keys[0], text_keys[[0, 2, 3, 4]][found.rows[0]], atol=ROUNDING)
    np.testing.assert_allclose(found.vectors[0], image_keys[found.rows[0]], atol=ROUNDING)
    assert found.key_words[0][found.rows[0].tolist().index(2)].tolist() == [3, 6]


def test_training_images_can_be_excluded_by_their_numbers(memory):
    memory, _, text_keys, _ = memory
    words = memory.word_sets(np.array([[2, 3, EOS]] * 2))
    found = memory.search(words, text_keys[[0, 0]], 3, exclude=np.array([0, 1]))
    assert (
        0 not in found.rows[0] and found.rows[1, found.similarities[1].argmax()] == 0
    )  # 1 is no image of the memory


def test_words_are_sets_without_padding_end_and_parts_of_words(memory):
    words = memory[0].word_sets(np.array([[5, 2, 5, PART, EOS], [PART, EOS, PAD, PAD, PAD]]), 4)
    assert words.tolist() == [[2, 5, PAD, PAD], [PAD] * 4]


def test_images_that_share_a_wording_store_it_once():
    wordings = [[[2, 3, EOS], [4, EOS]], [[2, 3, EOS, PAD], [3, 2, EOS]], [[4, EOS]]]
    rng = np.random.default_rng(0)
    text_keys = unit(rng.normal(size=(5, 6)))[[0, 1, 0, 2, 1]]  # equal texts have equal vectors
    image_keys, images = unit(rng.normal(size=(3, 6))), rng.integers(0, 256, (3, *SHAPE), np.uint8)
    texts = [[np.array(ids) for ids in each] for each in wordings]
    arrays = memory_arrays(list(images), np.arange(3), texts, text_keys, image_keys, IS_WORD, PAD)
    assert len(arrays["text_keys"]) == len(arrays["token_counts"]) == 3
    memory = NeighborMemory(arrays, SHAPE)
    found = memory.search(memory.word_sets(np.array([[4, EOS, PAD], [2, 3, EOS]])), text_keys[[1, 0]], 3)
    assert (found.similarities > SAME_BONUS).tolist() == [[True, False, True], [True, True, False]]

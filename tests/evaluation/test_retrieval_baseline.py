import numpy as np
import pandas as pd

from lexipix.evaluation.retrieval_baseline import RetrievalBaseline
from lexipix.utils.types import Split


def baseline(captions, paraphrases=None):
    images = np.arange(len(captions), dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    table = pd.DataFrame({"caption": captions, "paraphrases": paraphrases or [[] for _ in captions]})
    return RetrievalBaseline(Split(images, table))


def test_rare_words_count_more_than_frequent_ones():
    found = baseline(["red heart, noto", "blue heart, noto", "saxophone, noto", "trumpet, twemoji"])
    assert found.rows(["saxophone, twemoji", "blue heart, twemoji"]).tolist() == [2, 1]


def test_every_wording_counts_and_images_without_captions_do_not():
    found = baseline(["red heart", None, "blue star"], [["红心"], [], ["蓝星"]])
    assert found.rows(["蓝", "红 heart", "a star"]).tolist() == [1, 0, 1]
    assert found(["蓝星"])[0, 0, 0, 0] == 2, "rows count images with captions, pixels are those of the split"


def test_a_caption_of_unknown_words_gets_some_image():
    assert baseline(["red", "blue"]).rows(["zebra"]).tolist() == [0]

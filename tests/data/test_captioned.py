import numpy as np
import pandas as pd

from lexipix.data.captioned import CaptionedImages, captioned, joined
from lexipix.utils.types import Split


def split_of(first, captions):
    images = np.arange(first, first + len(captions), dtype=np.uint8)[:, None, None, None]
    table = pd.DataFrame({"caption": captions, "paraphrases": [[f"{text}!"] for text in captions]})
    return Split(np.broadcast_to(images, (len(captions), 2, 2, 3)), table)


def test_joined_splits_are_read_as_one():
    data = joined([split_of(0, ["a", None, "b"]), split_of(10, [None]), split_of(20, ["c", "d"])])
    assert list(data.captions) == ["a", "b", "c", "d"] and data.paraphrases[3] == ["d!"]
    assert len(data) == len(data.images) == 4
    found = data.images[np.array([3, 0, 2, 1, 3])]
    assert found[:, 0, 0, 0].tolist() == [21, 0, 20, 2, 21]
    assert found.dtype == np.uint8 and data.images[np.array([], np.int64)].shape == (0, 2, 2, 3)


def test_splits_without_captions_are_left_out():
    assert list(joined([split_of(0, ["a"]), split_of(1, [None])]).captions) == ["a"]
    assert len(joined([split_of(0, [None]), split_of(1, [])])) == 0


def test_groups_are_numbered_in_the_order_of_their_captions():
    captions = ["b", "ä", "a", "b", "Z", "火", "😀", "a b", ""]
    expected = np.unique(np.array(captions), return_inverse=True)[1].tolist()
    strings = pd.Series(captions, dtype="str")
    for column in (strings, strings.astype(object)):
        table = pd.DataFrame({"caption": column, "paraphrases": [[] for _ in captions]})
        data = captioned(Split(np.zeros((len(captions), 2, 2, 3), np.uint8), table))
        assert data.groups().tolist() == expected and data.groups().dtype == np.int64
        assert CaptionedImages(data.images, captions, []).groups().tolist() == expected

import hashlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.parameters import section

from lexipix.data.ingestion.stream import choose_split

SHARES = section("ingestion.splits", {"val": 0.05, "test": 0.1})
digests = st.binary(min_size=32, max_size=32)


def counted(own, hint=None, n_images=20_000):
    keys = (hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(n_images))
    counts = Counter(choose_split(key, hint, own, SHARES) for key in keys)
    return {split: count / n_images for split, count in counts.items()}


def test_shares_are_kept():
    expected = {"train": 0.85, "val": 0.05, "test": 0.1}
    assert counted(()) == pytest.approx(expected, abs=0.01)


def test_splits_that_the_source_decides_are_not_filled_by_hash():
    expected = {"train": 0.95, "val": 0.05}
    assert counted({"test"}, "train") == pytest.approx(expected, abs=0.01)
    assert counted({"val", "test"}, "train") == {"train": 1}


@given(digests, st.sampled_from(["val", "test", "pairs"]))
def test_what_the_source_says_stands(digest, hint):
    assert choose_split(digest, hint, {hint}, SHARES) == hint


@given(digests, digests)
def test_only_the_content_counts(digest, other):
    assert choose_split(digest, None, (), SHARES) == choose_split(digest[:8] + other[8:], None, (), SHARES)


@given(digests)
def test_extremes(digest):
    assert choose_split(bytes(32), None, (), SHARES) == "test"
    assert choose_split(b"\xff" * 32, None, (), SHARES) == "train"
    assert choose_split(bytes(32), None, (), SHARES, is_held_out_pair=True) == "test"
    assert choose_split(b"\xff" * 32, None, (), SHARES, is_held_out_pair=True) == "pairs"

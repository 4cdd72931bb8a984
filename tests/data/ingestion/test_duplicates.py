import hashlib
import tracemalloc

from hypothesis import given
from hypothesis import strategies as st

from lexipix.data.ingestion.duplicates import DigestIndex

digests = st.integers(0, 12).map(lambda number: hashlib.sha256(bytes([number])).digest())
# Many digests that want the same slot of the table.
crowded = st.integers(0, 12).map(lambda number: bytes(8) + bytes([number]) * 24)


@given(st.lists(st.tuples(digests | crowded, st.text())))
def test_it_is_a_dict(entries):
    index, truth = DigestIndex(), {}
    for digest, file in entries:
        assert index.claim(digest, file) == truth.get(digest)
        truth.setdefault(digest, file)
        assert len(index) == len(truth)


def test_it_grows_and_forgets_nothing():
    index = DigestIndex()
    keys = [hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(20_000)]
    assert all(index.claim(key, f"file {number}") is None for number, key in enumerate(keys))
    assert all(index.claim(key, "again") == f"file {number}" for number, key in enumerate(keys))


def test_memory_for_each_picture():
    tracemalloc.start()
    index = DigestIndex()
    for number in range(50_000):
        index.claim(hashlib.sha256(number.to_bytes(4, "big")).digest(), f"folder/{number:06}.png")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held / 50_000 < 100  # bytes; a dict takes about 250

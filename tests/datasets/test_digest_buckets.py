import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lexipix.datasets.digest_buckets import recurring

FEW = st.integers(0, 30).map(lambda number: f"{number % 3:02x}{number:030x}")


@settings(max_examples=25)
@given(st.lists(st.lists(FEW, max_size=12), max_size=6))
def test_a_digest_recurs_if_an_equal_one_follows(tmp_path_factory, parts):
    folder = tmp_path_factory.mktemp("buckets")
    together = [digest for part in parts for digest in part]
    expected = [i for i, digest in enumerate(together) if digest in together[i + 1 :]]
    assert recurring(parts, folder).tolist() == expected
    assert not list(folder.iterdir()), "nothing is left"


def test_a_bucket_holds_a_small_part_of_the_digests(tmp_path, monkeypatch):
    random, sizes, fromfile = np.random.default_rng(0), [], np.fromfile
    parts = [[random.bytes(16).hex() for _ in range(5_000)] for _ in range(4)]
    parts[3][7] = parts[0][2]

    def watched(file, kind):
        sizes.append(file.stat().st_size)
        return fromfile(file, kind)

    monkeypatch.setattr(np, "fromfile", watched)
    assert recurring(parts, tmp_path).tolist() == [2]
    assert sum(sizes) == 24 * 20_000 and max(sizes) < 24 * 150

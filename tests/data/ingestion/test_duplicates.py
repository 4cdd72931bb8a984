import numpy as np

from lexipix.data.ingestion.duplicates import Deduplicator
from lexipix.utils.types import Duplicate, Reject, SourceImage

NOTHING = np.empty((0, 0, 3), np.uint8)


def item(file, digest, caption=None, **more):
    return SourceImage(file, NOTHING, caption, split="train", digest=f"{digest:032x}", **more)


def test_what_is_kept_of_an_image_is_forgotten_after_its_last_copy():
    deduplicate = Deduplicator(share_captions=True)
    assert deduplicate(item("alone", 1), recurs=False).file == "alone" and not deduplicate._seen
    deduplicate(item("first", 2, "one"), recurs=True)
    assert (
        deduplicate(item("second", 2, "two"), recurs=True).texts == ("two",) and len(deduplicate._seen) == 1
    )
    last = deduplicate(item("third", 2, "two"), recurs=False)
    assert isinstance(last, Duplicate) and last.texts == () and not deduplicate._seen


def test_a_generated_caption_counts_as_none():
    deduplicate = Deduplicator(share_captions=True)
    deduplicate(item("first", 1, "written by a model", caption_source="generated"))
    copy = deduplicate(item("second", 1, "also written", caption_source="generated"))
    assert (copy.reason, copy.texts) == ("duplicate of first", ())
    copy = deduplicate(item("third", 1, "given"))
    assert copy.texts == ("given",) and copy.is_first_caption


def test_rejects_pass():
    reject = Reject("bad.png", "damaged")
    assert Deduplicator(share_captions=False)(reject, recurs=False) is reject

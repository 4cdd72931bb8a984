import hashlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from tests.support.parameters import section
from tests.support.pickling_engine import crossed

from lexipix.data.ingestion.stream import ImageStream, open_stream
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Duplicate, OpenedSource, Reject, SourceImage


def image(seed):
    return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), np.uint8)


def image_splits(n_images, first=0, **fields):
    return [
        SourceImage(f"{first + i}.png", image(first + i), f"number {first + i}", **fields)
        for i in range(n_images)
    ]


def run(items, own=(), **change):
    """What the stream keeps, what it rejects, and its summary."""
    source = OpenedSource(lambda: (item for item in items), frozenset(own), len(items))
    results = list(ImageStream(source, section("ingestion", {"image_size": 8, **change})))
    assert all(not isinstance(item, dict) for item in results[:-1])
    kept = [item for item in results if isinstance(item, SourceImage)]
    rejects = {item.file: item.reason for item in results if isinstance(item, Reject)}
    return kept, rejects, results[-1]


ENOUGH = image_splits(200)


def test_digest_and_split():
    kept, rejects, summary = run(ENOUGH)
    assert not rejects and [p.file for p in kept] == [p.file for p in ENOUGH]
    assert kept[3].digest == hashlib.sha256(image(3).tobytes()).hexdigest()[:32]
    counts = {split: sum(p.split == split for p in kept) for split in ("train", "val", "test")}
    assert counts == {split: summary[f"n_{split}"] for split in counts} and all(counts.values())


def test_splits_are_stable_when_files_are_added_renamed_and_reordered():
    kept, _, _ = run(ENOUGH)
    renamed = [SourceImage("x" + p.file, p.image, p.caption) for p in reversed(ENOUGH)]
    changed, _, _ = run([*image_splits(50, 1000), *renamed])
    before = {p.digest: p.split for p in kept}
    after = {p.digest: p.split for p in changed}
    assert before.items() <= after.items() and len(after) == 250


def test_duplicates_are_set_aside_and_not_held_against_the_source():
    twin = SourceImage("twin.png", image(5), "another caption")
    kept, rejects, summary = run([*ENOUGH, twin, twin], max_reject_share=0)
    assert rejects == {"twin.png": "duplicate of 5.png"} and len(kept) == 200
    assert (summary["rejected"], summary["duplicates"]) == (2, 2)


def test_no_picture_is_in_two_splits_and_the_test_split_keeps_its_own():
    own = image_splits(40, split="test")
    train = image_splits(200, 20, split="train")
    kept, rejects, _ = run([*own, *train], own={"test"})
    assert sum(p.split == "test" for p in kept) == 40
    assert rejects["20.png"] == "duplicate of 20.png" and len(rejects) == 20
    by_split = {}
    for p in kept:
        by_split.setdefault(p.split, set()).add(p.digest)
    assert sum(map(len, by_split.values())) == len(set.union(*by_split.values())) == 220


def test_captions_are_tidied():
    text = "  Ein scho\u0308ner\n\tHu\u0308gel\u00a0 \u5c71 \0"
    odd = SourceImage("odd.png", image(900), text, ("  ", "same", "same ", "other"))
    blank = SourceImage("blank.png", image(901), " \n ", ("kept",))
    kept, _, summary = run([*ENOUGH, odd, blank, SourceImage("none.png", image(902), None)])
    captions = {p.file: (p.caption, p.paraphrases) for p in kept}
    assert captions["odd.png"] == ("Ein schöner Hügel 山", ("same", "other"))
    assert captions["blank.png"] == ("kept", ())
    assert captions["none.png"] == (None, ())
    assert summary["uncaptioned"] == 1


def test_without_captioner_pictures_without_caption_are_rejected():
    items = [
        *ENOUGH,
        SourceImage("a.png", image(900), None),
        SourceImage("b.png", image(901), None, withheld_caption="b"),
    ]
    kept, rejects, _ = run(items, allow_uncaptioned=False)
    assert rejects == {"a.png": "no caption, and ingestion.allow_uncaptioned is false"}
    assert kept[-1].file == "b.png" and kept[-1].withheld_caption == "b"


@pytest.mark.parametrize(
    ("odd", "file", "reason"),
    [
        (
            SourceImage("a.png", image(900), "x" * 1001),
            "a.png",
            "its caption has 1,001 characters, ingestion",
        ),
        (SourceImage("a.png", image(900), "a", ("y" * 2000,)), "a.png", "2,000 characters"),
        (SourceImage("a.png", image(900), "caf\udce9"), "a.png", "its caption is not valid UTF-8"),
        (SourceImage("\udcff.png", image(900), "a"), "\\udcff.png", "its name is not valid UTF-8"),
        (Reject("b\udc80.png", "damaged: \udc80"), "b\\udc80.png", "damaged: \\udc80"),
    ],
)  # fmt: skip
def test_what_cannot_be_stored_is_rejected(odd, file, reason):
    _, rejects, summary = run([*ENOUGH, odd])
    assert list(rejects) == [file] and reason in rejects[file]
    assert (summary["rejected"], summary["duplicates"]) == (1, 0)


def test_too_many_rejects_stop_the_run():
    bad = [Reject(f"bad{number}.png", f"reason {number}") for number in range(50)]
    with pytest.raises(LexipixError) as error:
        run([*bad, *ENOUGH], max_reject_share=0.19)
    assert "50 of 250 images (20.0%)" in str(error.value)
    assert "ingestion.max_reject_share allows 19.0%" in str(error.value)
    assert "bad0.png: reason 0; bad1.png: reason 1; bad2.png: reason 2." in str(error.value)
    _, rejects, _ = run([*bad, *ENOUGH], max_reject_share=0.2)
    assert len(rejects) == 50


def test_nothing_left():
    with pytest.raises(LexipixError, match="no image that can be used"):
        run([Reject("a.png", "bad")], max_reject_share=1)


@pytest.mark.parametrize(
    ("items", "own", "said"),
    [
        (ENOUGH[:1], (), "has no images"),
        (image_splits(50, split="train"), {"test"}, "'test' has no images"),
        (image_splits(50, split="test"), {"test"}, "'train' has no images"),
    ],
)
def test_empty_splits_stop_the_run(items, own, said):
    with pytest.raises(LexipixError, match=said):
        run(items, own)


def test_summary():
    _, _, summary = run(ENOUGH)
    assert summary["source"] == "scenes" and summary["image_size"] == 8
    assert len(summary["digest"]) == 32 and len(summary["examples"]) == 48
    kept = [p for p in run(ENOUGH)[0] if p.split == "train"]
    for example in summary["examples"]:
        assert kept[example["row"]].file == example["file"]
        assert kept[example["row"]].caption == example["caption"]
    assert [e["row"] for e in summary["examples"]] == sorted(e["row"] for e in summary["examples"])


def test_the_digest_follows_pictures_captions_and_splits():
    digest = run(ENOUGH)[2]["digest"]
    assert run(ENOUGH)[2]["digest"] == digest
    assert (
        run([SourceImage("new name", ENOUGH[0].image, ENOUGH[0].caption), *ENOUGH[1:]])[2]["digest"] == digest
    )
    assert run([SourceImage("0.png", ENOUGH[0].image, "another caption"), *ENOUGH[1:]])[2]["digest"] != digest
    assert run([*image_splits(1, 700), *ENOUGH[1:]])[2]["digest"] != digest
    assert run(ENOUGH, splits={"val": 0.1})[2]["digest"] != digest


def test_stopping_early_closes_the_source():
    closed = []

    def read():
        try:
            yield from ENOUGH
        finally:
            closed.append(True)

    items = iter(ImageStream(OpenedSource(read), section("ingestion", {"image_size": 8})))
    next(items)
    items.close()
    assert closed


def copies(*captions):
    """The images of ``ENOUGH``, and copies of one."""
    twins = [SourceImage(f"twin{n}.png", image(5), text) for n, text in enumerate(captions)]
    return [*ENOUGH, *twins]


def test_a_copy_gives_its_captions_to_the_image():
    items = copies("another", "number 5", "another")
    source = OpenedSource(lambda: (item for item in items), frozenset(), len(items))
    change = {"image_size": 8, "source": {"kind": "folder"}}
    results = list(ImageStream(source, section("ingestion", change)))
    twins = [item for item in results if isinstance(item, Duplicate)]
    assert [item.texts for item in twins] == [("another",), (), ()]
    assert twins[0].reason == "duplicate of 5.png, which gets its caption too"
    assert twins[0].digest == results[5].digest and not twins[0].is_first_caption
    without = run(copies("number 5"), source={"kind": "folder"})[2]["digest"]
    assert without == run(ENOUGH)[2]["digest"] != results[-1]["digest"]


def test_a_copy_gives_a_caption_to_an_image_without_one():
    bare = SourceImage("bare.png", image(5), None)
    kept, rejects, summary = run([bare, *ENOUGH], source={"kind": "folder"})
    assert kept[0].caption is None and summary["uncaptioned"] == 0
    assert rejects["5.png"] == "duplicate of bare.png, which gets its caption too"


def test_a_copy_in_another_split_keeps_its_captions():
    own = image_splits(40, split="test")
    twins = [SourceImage(f"twin{n}.png", image(n), "another", split="train") for n in range(40)]
    _, rejects, _ = run([*own, *image_splits(200, 1000), *twins], own={"test"}, source={"kind": "folder"})
    reason = "duplicate of 7.png, which is in another split: its caption is not used"
    assert rejects["twin7.png"] == reason and len(rejects) == 40


def test_a_copy_whose_caption_alone_is_of_another_split_gives_it_to_the_image():
    firsts = [replace(item, group=item.caption) for item in ENOUGH]
    twins = [SourceImage(f"twin{n}.png", image(n), f"other {n}", group=f"other {n}") for n in range(200)]
    source = OpenedSource(lambda: (item for item in [*firsts, *twins]), frozenset(), 400)
    parameters = section("ingestion", {"image_size": 8, "source": {"kind": "folder"}})
    stream = ImageStream(source, parameters)
    alone = [item for item in run(twins)[0] if isinstance(item, SourceImage)]
    results = [item for item in stream if not isinstance(item, dict)]
    kept, copies = results[:200], results[200:]
    assert any(one.split != other.split for one, other in zip(kept, alone, strict=True)), "by their captions"
    assert [item.texts for item in copies] == [(f"other {n}",) for n in range(200)]
    assert {item.reason.partition(", ")[2] for item in copies} == {"which gets its caption too"}


def test_names_of_folders_are_counted_apart_and_not_given_to_copies():
    named = [SourceImage(f"cat/{n}.png", image(1000 + n), "a cat", from_folder_name=True) for n in range(7)]
    twin = SourceImage("dog/twin.png", image(1000), "a dog", from_folder_name=True)
    _, rejects, summary = run([*ENOUGH, *named, twin], source={"kind": "folder"})
    assert summary["class_captions"] == 7 and rejects == {"dog/twin.png": "duplicate of cat/0.png"}


def test_rejects_without_a_loss_do_not_count():
    items = [Reject(f"link{n}", "a link", is_counted=False) for n in range(50)]
    _, rejects, summary = run([*ENOUGH, *items], max_reject_share=0)
    assert len(rejects) == summary["rejected"] == 50


opened = []  # by open_folder and load_captioner


class Loader:
    """As the objects of the catalog are: without a text of its own."""


def open_folder(loader, parameters, seed):
    opened.append("source")
    return OpenedSource(open_folder, n_images=100 + opened.count("one more"))


def load_captioner(loader):
    opened.append("captioner")


def test_a_worker_opens_the_source_for_the_first_of_its_parts_only():
    opened.clear()
    loader = Loader()
    parameters = section("ingestion", {"image_size": 8})
    stream = open_stream(parameters, 1, partial(open_folder, loader), partial(load_captioner, loader))
    assert opened == ["source", "captioner"]
    first, second = crossed(stream), crossed(stream)  # each part brings its own copy of the loader
    assert first is second is not stream and opened == ["source", "captioner"] * 2
    again = open_stream(parameters, 1, partial(open_folder, loader), partial(load_captioner, loader))
    assert crossed(again) is not first, "another run reads the folder again"


def test_a_source_that_has_changed_for_a_worker_is_one_sentence():
    opened.clear()
    loader = Loader()
    parameters = section("ingestion", {"image_size": 8})
    stream = open_stream(parameters, 1, partial(open_folder, loader), partial(load_captioner, loader))
    opened.append("one more")
    with pytest.raises(LexipixError, match=r"101 images for a worker and 100 for the run: .* Run the same"):
        crossed(stream)

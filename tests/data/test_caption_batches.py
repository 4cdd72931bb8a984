import numpy as np
import pandas as pd
import pytest
import torch

from lexipix.data import caption_batches
from lexipix.data.caption_batches import CaptionGroups, CaptionRows
from lexipix.data.captioned import captioned, for_training
from lexipix.data.images import ImageRows, Subset, normalize, random_hflip, random_shift, to_uint8
from lexipix.data.tokenization import decode, encode, train_tokenizer
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Split

WORDINGS = [["a red star", "star, red"], ["a dot"], ["a blue ring", "ring, blue", "one blue ring"]]


@pytest.fixture
def rows():
    tokenizer = train_tokenizer([text for texts in WORDINGS for text in texts], 280)
    captions, others = [texts[0] for texts in WORDINGS], [texts[1:] for texts in WORDINGS]
    return CaptionRows(captions, others, tokenizer, 24, torch.device("cpu")), tokenizer


def test_primary_captions_come_first_and_batches_are_no_longer_than_needed(rows):
    captions, tokenizer = rows
    ids = captions.primary(torch.tensor([2, 0]))
    assert decode(tokenizer, ids.numpy()) == ["a blue ring", "a red star"]
    alone = captions.primary(torch.tensor([1]))
    assert alone.shape[1] < ids.shape[1] and alone.dtype == torch.int64


def test_samples_are_all_captions_of_an_image_and_none_of_another(rows):
    captions, tokenizer = rows
    torch.manual_seed(0)
    for row, texts in enumerate(WORDINGS):
        drawn = decode(tokenizer, captions.sample(torch.full((60,), row)).numpy())
        assert set(drawn) == set(texts)


@pytest.mark.parametrize("max_tokens", [3, 24])
@pytest.mark.parametrize("chunk", [1, 2, 8192])
def test_ids_are_those_of_one_array(monkeypatch, chunk, max_tokens):
    monkeypatch.setattr(caption_batches, "CHUNK", chunk)
    texts = [text for several in WORDINGS for text in several]
    tokenizer = train_tokenizer(texts, 280)
    captions = CaptionRows(
        [several[0] for several in WORDINGS],
        [several[1:] for several in WORDINGS],
        tokenizer,
        max_tokens,
        torch.device("cpu"),
    )
    together = torch.from_numpy(encode(tokenizer, texts, max_tokens))
    assert captions.n_captions == len(together)
    for chosen in ([0, 1, 2, 3, 4, 5], [2], [5, 2, 2]):
        expected = together[chosen]
        longest = int((expected != captions.pad_id).sum(1).max())
        assert torch.equal(captions.select(torch.tensor(chosen)), expected[:, :longest])
    assert isinstance(captions._ids, np.memmap) and captions._ids.dtype == np.uint16
    assert captions._ids.nbytes == 2 * int((together != captions.pad_id).sum())


def test_normalize_and_to_uint8_are_inverse():
    images = np.arange(2 * 8 * 8 * 3, dtype=np.int64).reshape(2, 8, 8, 3).astype(np.uint8)
    unit = normalize(torch.from_numpy(images))
    assert unit.shape == (2, 3, 8, 8) and unit.min() >= -1 and unit.max() <= 1
    assert np.array_equal(to_uint8(unit), images)
    assert to_uint8(torch.tensor([[[[-9.0]], [[0.0]], [[9.0]]]])).tolist() == [[[[0, 128, 255]]]]


def test_subset_reads_only_its_rows():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    subset = Subset(images, np.array([4, 1]))
    assert len(subset) == 2
    batch = ImageRows(subset, torch.device("cpu"))[torch.tensor([1, 0, 1])]
    assert to_uint8(batch)[:, 0, 0, 0].tolist() == [1, 4, 1]


def test_random_shift_repeats_the_border_and_keeps_the_size():
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    offsets = set()
    for seed in range(60):
        torch.manual_seed(seed)
        moved = random_shift(images, 1)
        assert moved.shape == images.shape
        middle = moved[..., 1:-1, 1:-1]
        (offset,) = [
            (dy, dx) for dy in range(3) for dx in range(3)
            if torch.equal(middle, images[..., dy : dy + 6, dx : dx + 6])
        ]  # fmt: skip
        offsets.add(offset)
    assert len(offsets) == 9


def test_each_image_is_shifted_and_mirrored_by_itself():
    images = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)).expand(32, -1, -1, -1)
    torch.manual_seed(0)
    assert len({tuple(moved.flatten().tolist()) for moved in random_shift(images, 1)}) > 4
    mirrored = random_hflip(images[:3], torch.tensor([0.2, 0.5, 0.49]))
    assert torch.equal(mirrored[1], images[1])
    assert torch.equal(mirrored[[0, 2]], images[:2].flip(-1))


def table(captions):
    return pd.DataFrame(
        {"caption": captions, "paraphrases": [[f"{text}!"] if text else [] for text in captions]}
    )


def test_rows_without_a_caption_are_left_out():
    images = np.arange(4, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    part = captioned(Split(images, table(["a", None, "b", "a"])))
    assert list(part.captions) == ["a", "b", "a"] and list(part.paraphrases) == [["a!"], ["b!"], ["a!"]]
    assert part.captions[1] == "b" and part.captions[1:] == ["b", "a"] and part.paraphrases[-1] == ["a!"]
    assert part.images[np.array([1])].max() == 2
    assert part.groups().tolist() == [0, 1, 0] and part.groups().dtype == np.int64
    assert sorted(part.all_captions()) == ["a", "a", "a!", "a!", "b", "b!"]


def test_training_images_replace_a_missing_validation_split():
    images = np.zeros((4, 2, 2, 3), np.uint8)
    learn, none = Split(images, table(["a", "b", None, "c"])), Split(images[:1], table([None]))
    assert for_training(learn, none, "features")[1].captions == ["a", "b", "c"]
    other = Split(images[:2], table(["d", "e"]))
    assert list(for_training(learn, other, "features")[1].captions) == ["d", "e"]


def test_too_few_captions_for_training_are_an_error():
    images = np.zeros((3, 2, 2, 3), np.uint8)
    one = Split(images, table(["a", None, None]))
    with pytest.raises(LexipixError, match="features: 1 of 3 training images have a caption"):
        for_training(one, one, "features")


def test_captions_that_several_pictures_have_come_several_times():
    groups = CaptionGroups(torch.tensor([0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8]))
    torch.manual_seed(0)
    drawn = torch.stack([groups.regroup(torch.tensor([0, 3, 4, 6, 7, 8, 9, 10])) for _ in range(200)])
    assert (drawn[:, :2] == torch.tensor([0, 3])).all(), "the first quarter leads"
    assert (drawn[:, [3, 5, 7]] == torch.tensor([6, 8, 10])).all(), "nobody else has the second caption"
    assert set(drawn[:, [2, 4, 6]].flatten().tolist()) == {1, 2}, "others, never itself"

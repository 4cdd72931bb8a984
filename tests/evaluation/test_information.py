import numpy as np
import pandas as pd
import pytest

from lexipix.config.evaluation import InformationParameters
from lexipix.evaluation.baselines import mean_image
from lexipix.evaluation.information import (
    COLUMNS,
    chosen_rows,
    code_lengths,
    measure_information,
    without_words,
)
from lexipix.evaluation.measure import Evaluated, spread
from lexipix.evaluation.round_trips import from_captions, through_latent
from lexipix.metrics.images import psnr, ssim
from lexipix.utils.skipped_model import skipped
from lexipix.utils.types import Split

ROWS = [0, 6, 12, 17, 23, 29]


@pytest.fixture(scope="module")
def measured(evaluation, run, pictures, test_captions, captioner, vae, prior, words):
    return measure_information(evaluation, run, pictures, test_captions, captioner, vae, prior, prior, words)


def figures(table, path, setting):
    row = table[(table["path"] == path) & (table["setting"] == setting)].iloc[0]
    return row["bits_per_image"], row["psnr"], row["ssim"]


def likeness(images, others):
    return pytest.approx((psnr(images, others).mean(), ssim(images, others).mean()))


def test_every_way_has_its_rows(measured):
    table, sheet = measured
    assert tuple(table.columns) == COLUMNS and sheet.dtype == np.uint8 and sheet.shape[2] == 3
    assert table["path"].value_counts().to_dict() == {
        "nothing": 1, "caption": 4, "words": 3, "words_alone": 3, "latent": 3,
    }  # fmt: skip


def test_rows_are_of_the_same_pictures_and_their_true_captions(
    measured, evaluation, run, pictures, vae, prior
):
    table, images = measured[0], pictures.test.images[ROWS]
    captions = pictures.test.captions["caption"].iloc[ROWS].tolist()
    nothing = np.broadcast_to(mean_image(pictures.train.images), images.shape)
    assert figures(table, "nothing", "mean picture")[1:] == likeness(images, nothing)
    drawn = from_captions(prior, captions, run, 16)
    assert figures(table, "caption", "gan")[1:] == likeness(images, drawn)
    back = through_latent(vae, images, run, 16)
    assert figures(table, "latent", "not rounded")[1:] == likeness(images, back)
    assert figures(table, "caption", "rendered again")[1] > figures(table, "nothing", "mean picture")[1]


def test_bits_grow_with_what_is_told(measured, captioner, pictures, run):
    table = measured[0]
    captions = pictures.test.captions["caption"].iloc[ROWS].tolist()
    bits = code_lengths(captioner, captions, run, 4).mean()
    assert figures(table, "nothing", "mean picture")[0] == 0
    assert set(table.loc[table["path"] == "caption", "bits_per_image"].round(6)) == {round(bits, 6)}
    first, second = 64 * np.log2(256), 64 * np.log2(9)
    expected = [4 * np.log2(256), first, first + second]
    assert table.loc[table["path"] == "words_alone", "bits_per_image"].tolist() == pytest.approx(expected)
    given = table[table["path"] == "words"]
    assert given["bits_per_image"].tolist() == pytest.approx([bits + one for one in expected])
    latent = table[table["path"] == "latent"]
    assert latent["bits_per_image"].is_monotonic_increasing
    assert latent["bits_per_image"].iloc[-1] == 32 * 4 * 64


def test_a_language_model_that_knows_nothing_needs_each_tokens_length(captioner, run):
    short, long = code_lengths(captioner, ["a", "a big red circle at the left"], run, 2)
    assert 0 < 3 * short < long
    assert code_lengths(captioner, ["a"], run, 1) == pytest.approx([short])


def test_words_that_were_left_out_have_no_rows(
    evaluation, run, pictures, test_captions, captioner, vae, prior
):
    table, _ = measure_information(
        evaluation, run, pictures, test_captions, captioner, vae, prior, prior, skipped("a.b is false")
    )
    assert set(table["path"]) == {"nothing", "caption", "latent"} and "words" not in set(table["setting"])


def test_switched_off_it_measures_nothing(
    evaluation, run, pictures, test_captions, captioner, vae, prior, words
):
    off = evaluation.model_copy(update={"information": InformationParameters(n_images=None)})
    table, sheet = measure_information(off, run, pictures, test_captions, captioner, vae, prior, prior, words)
    assert len(table) == 0 and tuple(table.columns) == COLUMNS and sheet.shape[2] == 3


def real_of(labels, truths):
    images = np.repeat(np.arange(len(labels), dtype=np.uint8), 8 * 8 * 3).reshape(-1, 8, 8, 3)
    return Evaluated(images, pd.DataFrame({"label": labels}), truths, ["x"] * len(labels), None)


class TestClass:
    train = Split(
        np.repeat(np.array([10, 20, 90], np.uint8), 8 * 8 * 3).reshape(-1, 8, 8, 3),
        pd.DataFrame({"label": ["cat", "cat", "dog"]}),
    )

    def test_it_costs_the_entropy_and_gives_the_mean_of_its_training_pictures(self):
        real = real_of(["cat", "dog", "cat", "cat"], [None] * 4)
        nothing, known = without_words(real, np.array([0, 1]), self.train)
        assert (nothing.images == 40).all() and nothing.bits.tolist() == [0, 0]
        assert known.bits == pytest.approx([2 - 0.75 * np.log2(3)] * 2)
        assert (known.images[0] == 15).all() and (known.images[1] == 90).all()

    @pytest.mark.parametrize("labels", [["cat", None], ["cat", "cat"], ["cat", "cow"]])
    def test_there_is_none_without_labels_that_tell_and_that_training_has(self, labels):
        told = without_words(real_of(labels, [None] * 2), np.array([0, 1]), self.train)
        assert [one.path for one in told] == ["nothing"]


def test_pictures_with_a_true_caption_come_before_all_others():
    some = real_of(["a"] * 6, [None, "b", None, "c", "d", None])
    assert chosen_rows(some, 10).tolist() == [1, 3, 4] and chosen_rows(some, 2).tolist() == [1, 4]
    none = real_of(["a"] * 6, [None] * 6)
    assert chosen_rows(none, 3).tolist() == spread(6, 3).tolist()
    assert chosen_rows(none, None).size == 0


def test_distances_of_given_cells_go_from_few_to_many():
    with pytest.raises(ValueError, match=r"evaluation\.information\.apart = \[2, 4\]"):
        InformationParameters(apart=(2, 4))

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from tests.support.parameters import section

from lexipix.data.images import evenly_spaced
from lexipix.evaluation.baselines import mean_image
from lexipix.evaluation.direct_path import LatentCodec, measure_token_round_trip
from lexipix.evaluation.evaluated_images import EvaluatedImages
from lexipix.evaluation.information import (
    COLUMNS,
    caption_bits,
    choose_images,
    from_nothing_and_class,
    from_tokens,
    token_masks,
)
from lexipix.evaluation.text_paths import draw_captions
from lexipix.metrics.images import psnr, ssim
from lexipix.pipelines.evaluation.nodes import measure_information
from lexipix.utils.skipped_model import skipped
from lexipix.utils.types import Split

ROWS = [0, 6, 12, 17, 23, 29]


@pytest.fixture(scope="module")
def measured(evaluation, run, image_splits, test_captions, captioner, vae, prior, tokens):
    return measure_information(
        evaluation, run, image_splits, test_captions, captioner, vae, prior, prior, tokens
    )


def values(table, path, setting):
    row = table[(table["path"] == path) & (table["setting"] == setting)].iloc[0]
    return row["bits_per_image"], row["psnr"], row["ssim"]


def likeness(images, others):
    return pytest.approx((psnr(images, others).mean(), ssim(images, others).mean()))


def test_every_kind_of_information_has_its_rows(measured):
    table, sheet = measured
    assert tuple(table.columns) == COLUMNS and sheet.dtype == np.uint8 and sheet.shape[2] == 3
    assert table["path"].value_counts().to_dict() == {
        "nothing": 1, "caption": 4, "tokens": 3, "tokens_alone": 3, "latent": 3,
    }  # fmt: skip


def test_rows_are_of_the_same_images_and_their_true_captions(
    measured, evaluation, run, image_splits, vae, prior, tokens
):
    table, images = measured[0], image_splits.test.images[ROWS]
    captions = image_splits.test.captions["caption"].iloc[ROWS].tolist()
    nothing = np.broadcast_to(mean_image(image_splits.train.images), images.shape)
    assert values(table, "nothing", "mean image")[1:] == likeness(images, nothing)
    for name, model in (("gan", prior), ("tokens", tokens)):
        assert values(table, "caption", name)[1:] == likeness(images, draw_captions(model, captions, run, 16))
    back = LatentCodec(vae, run, 16).reconstruct(images)
    assert values(table, "latent", "not rounded")[1:] == likeness(images, back)
    assert values(table, "caption", "rendered again")[1] > values(table, "nothing", "mean image")[1]


def test_bits_grow_with_the_information(measured, captioner, image_splits, run):
    table = measured[0]
    captions = image_splits.test.captions["caption"].iloc[ROWS].tolist()
    bits = caption_bits(captioner, captions, run, 4).mean()
    assert values(table, "nothing", "mean image")[0] == 0
    assert set(table.loc[table["path"] == "caption", "bits_per_image"].round(6)) == {round(bits, 6)}
    first, second = 64 * np.log2(256), 64 * np.log2(9)
    expected = [4 * np.log2(256), first, first + second]
    assert table.loc[table["path"] == "tokens_alone", "bits_per_image"].tolist() == pytest.approx(expected)
    given = table[table["path"] == "tokens"]
    assert given["bits_per_image"].tolist() == pytest.approx([bits + one for one in expected])
    latent = table[table["path"] == "latent"]
    assert latent["bits_per_image"].is_monotonic_increasing
    assert latent["bits_per_image"].iloc[-1] == 32 * 4 * 64


def test_a_language_model_that_knows_nothing_needs_each_tokens_length(captioner, run):
    short, long = caption_bits(captioner, ["a", "a big red circle at the left"], run, 2)
    assert 0 < 3 * short < long
    assert caption_bits(captioner, ["a"], run, 1) == pytest.approx([short])


def test_a_skipped_token_generator_has_no_rows(
    evaluation, run, image_splits, test_captions, captioner, vae, prior
):
    table, _ = measure_information(
        evaluation, run, image_splits, test_captions, captioner, vae, prior, prior, skipped("a.b is false")
    )
    assert set(table["path"]) == {"nothing", "caption", "latent"} and "tokens" not in set(table["setting"])


def test_switched_off_it_measures_nothing(
    evaluation, run, image_splits, test_captions, captioner, vae, prior, tokens
):
    parameters = evaluation.information.model_copy(update={"n_images": None})
    off = evaluation.model_copy(update={"information": parameters})
    table, sheet = measure_information(
        off, run, image_splits, test_captions, captioner, vae, prior, prior, tokens
    )
    assert len(table) == 0 and tuple(table.columns) == COLUMNS and sheet.shape[2] == 3


def real_of(labels, references):
    images = np.repeat(np.arange(len(labels), dtype=np.uint8), 8 * 8 * 3).reshape(-1, 8, 8, 3)
    return EvaluatedImages(images, pd.DataFrame({"label": labels}), references, ["x"] * len(labels), None)


class TestClass:
    train = Split(
        np.repeat(np.array([10, 20, 90], np.uint8), 8 * 8 * 3).reshape(-1, 8, 8, 3),
        pd.DataFrame({"label": ["cat", "cat", "dog"]}),
    )

    def test_it_costs_the_entropy_and_gives_the_mean_of_its_training_images(self):
        real = real_of(["cat", "dog", "cat", "cat"], [None] * 4)
        nothing, known = from_nothing_and_class(real, np.array([0, 1]), self.train)
        assert (nothing.images == 40).all() and nothing.bits == 0
        assert known.bits == pytest.approx([2 - 0.75 * np.log2(3)] * 2)
        assert (known.images[0] == 15).all() and (known.images[1] == 90).all()

    @pytest.mark.parametrize("labels", [["cat", None], ["cat", "cat"], ["cat", "cow"]])
    def test_there_is_none_without_labels_that_tell_and_that_training_has(self, labels):
        found = from_nothing_and_class(real_of(labels, [None] * 2), np.array([0, 1]), self.train)
        assert [one.path for one in found] == ["nothing"]


def test_images_with_a_true_caption_come_before_all_others():
    some = real_of(["a"] * 6, [None, "b", None, "c", "d", None])
    assert choose_images(some, 10).tolist() == [1, 3, 4] and choose_images(some, 2).tolist() == [1, 4]
    none = real_of(["a"] * 6, [None] * 6)
    assert choose_images(none, 3).tolist() == evenly_spaced(6, 3).tolist()
    assert choose_images(none, None).size == 0


def test_spacings_of_given_cells_decrease():
    with pytest.raises(ValueError, match=r"evaluation\.information\.spacings = \[2, 4\]"):
        section("evaluation.information", {"spacings": [2, 4]})


@pytest.fixture(scope="module")
def sample(image_splits):
    captions = image_splits.test.captions["caption"].tolist()[:5]
    return np.array(image_splits.test.images[:5]), captions, np.full(5, 20.0)


@pytest.fixture(scope="module")
def reconstructed(tokens, sample, run):
    return from_tokens(tokens, *sample, (4,), run, 2)


def of(reconstructed, path):
    return [one for one in reconstructed if one.path == path]


def test_each_setting_includes_the_tokens_of_those_before():
    masks_by_setting = token_masks(2, (8, 4, 2))
    assert list(masks_by_setting) == [
        "1 token of 1 cells", "1 token of 4 cells", "1 token of 16 cells",
        "1 token of all cells", "2 tokens of all cells",
    ]  # fmt: skip
    masks = list(masks_by_setting.values())
    assert [int(mask.sum()) for mask in masks] == [1, 4, 16, 64, 128]
    assert all((fewer <= more).all() for fewer, more in pairwise(masks))
    assert masks[1][0].nonzero().flatten().tolist() == [27, 31, 59, 63]


def test_with_all_tokens_it_is_their_round_trip(reconstructed, tokens, sample, run):
    last, alone = of(reconstructed, "tokens")[-1], of(reconstructed, "tokens_alone")[-1]
    assert np.array_equal(last.images, alone.images)
    metrics = measure_token_round_trip(tokens, sample[0], run, 2)
    assert alone.bits == pytest.approx(metrics["bits_per_image"])
    assert last.bits == pytest.approx([20 + alone.bits] * 5)


def test_the_token_generator_changes_what_is_not_given(reconstructed):
    for completed, alone in zip(
        of(reconstructed, "tokens")[:-1], of(reconstructed, "tokens_alone")[:-1], strict=True
    ):
        assert completed.setting == alone.setting
        assert not np.array_equal(completed.images, alone.images)


def test_images_are_the_same_whatever_the_batches_are(reconstructed, tokens, sample, run):
    again = from_tokens(tokens, *sample, (4,), run, 5)
    for one, other in zip(reconstructed, again, strict=True):
        assert np.abs(one.images.astype(int) - other.images).max() <= 1

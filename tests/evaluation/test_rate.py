import numpy as np
import pandas as pd
import pytest

from lexipix.data.images import normalize
from lexipix.evaluation.direct_path import LatentCodec
from lexipix.evaluation.rate import COLUMNS, bits_at
from lexipix.metrics.images import psnr
from lexipix.models.vae import VAE
from lexipix.pipelines.evaluation.nodes import measure_rate
from lexipix.training.bundles import load_network, to_bundle


@pytest.fixture(scope="module")
def principal(vae, image_splits):
    """The untrained VAE with its linear maps set: the best linear autoencoder of the training pictures."""
    import torch

    network = load_network(vae, VAE)
    network.init_from_pca(normalize(torch.from_numpy(np.array(image_splits.train.images))))
    return to_bundle(
        "vae", network, vae.config["network"], card_parameters={},
        data_digest="d", metrics={},
    )  # fmt: skip


@pytest.fixture(scope="module")
def measured(principal, evaluation, run, image_splits):
    own = evaluation.rate.model_copy(update={"bits": (1, 4, 8), "n_images": 6})
    return measure_rate(evaluation.model_copy(update={"rate": own}), run, image_splits, principal)


def test_more_bits_are_nearer_and_many_lose_nothing(measured, principal, run, image_splits):
    table, _, _ = measured
    latent = table[table["coder"] == "latent"]
    assert latent["bits_per_image"].tolist() == [n * 4 * 64 for n in (1, 4, 8)]
    assert latent["psnr"].is_monotonic_increasing
    images = image_splits.test.images[[0, 6, 12, 17, 23, 29]]
    direct = psnr(images, LatentCodec(principal, run, 16).reconstruct(images)).mean()
    assert latent["psnr"].iloc[-1] == pytest.approx(direct, abs=1.0)


def test_entropy_coding_changes_the_bits_and_nothing_else(measured):
    table = measured[0]
    plain, coded = (table[table["coder"] == coder] for coder in ("latent", "latent_coded"))
    assert plain["psnr"].tolist() == coded["psnr"].tolist()
    assert coded["bits_per_image"].iloc[-1] < plain["bits_per_image"].iloc[-1]


def test_wider_steps_take_fewer_bits(measured):
    posterior = measured[0].query("coder == 'latent_posterior'")
    assert posterior["bits_per_image"].is_monotonic_decreasing
    assert posterior["psnr"].is_monotonic_decreasing


def test_every_coder_and_setting_has_a_row(measured):
    table, figures, sheet = measured
    assert tuple(table.columns) == COLUMNS
    counts = {"latent": 3, "latent_coded": 3, "latent_posterior": 2, "jpeg": 4, "webp": 2}
    assert table["coder"].value_counts().to_dict() == counts
    files = table[table["coder"].isin(["jpeg", "webp"])]
    assert (files["bits_without_headers"] < files["bits_per_image"]).all()
    assert figures["psnr"] == 30 and figures["jpeg_without_headers"] < figures["jpeg"]
    assert sheet.dtype == np.uint8


def test_switched_off_it_measures_nothing(vae, evaluation, run, image_splits):
    off = evaluation.rate.model_copy(update={"n_images": None})
    table, figures, sheet = measure_rate(evaluation.model_copy(update={"rate": off}), run, image_splits, vae)
    assert len(table) == 0 and tuple(table.columns) == COLUMNS and figures == {}
    assert sheet.shape[2] == 3


def test_bits_at_a_quality_by_hand():
    rows = [
        ("jpeg", "a", 1000.0, 100.0, 20.0, 0.5),
        ("jpeg", "b", 4000.0, 400.0, 40.0, 0.9),
        ("jpeg", "beaten", 3000.0, 300.0, 19.0, 0.4),
        ("latent", "c", 512.0, 512.0, 25.0, 0.6),
        ("webp", "d", 512.0, 212.0, 31.0, 0.6),
    ]
    found = bits_at(pd.DataFrame(rows, columns=list(COLUMNS)), 30.0)
    # half way between 20 and 40 dB lies the geometric mean; the latent stays below 30, WebP above
    assert found == {"jpeg": pytest.approx(2000), "jpeg_without_headers": pytest.approx(200)}

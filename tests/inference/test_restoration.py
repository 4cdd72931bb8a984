import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tests.support.latent_models import NOISE, SIZE, latent_models, latent_scenes
from tests.support.parameters import section
from tests.support.retrieval import make_retrieval_generator
from tokenizers import Tokenizer

from lexipix.data.images import to_uint8
from lexipix.data.tokenization import PAD_ID, encode
from lexipix.inference.onnx_generator import sample_noise
from lexipix.inference.restoration import RestorationModel, restore, sum_of_scales
from lexipix.inference.restoration_result import DamagedImages
from lexipix.metrics.images import psnr
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network, to_bundle, token_ids
from lexipix.utils.errors import LexipixError

RUN = section("run", {"device": "cpu", "precision": "fp32", "threads": 1})
N = 4


@pytest.fixture
def model():
    bundles = latent_models()
    return RestorationModel(bundles["vae"], bundles["prior"], RUN)


@pytest.fixture
def scenes():
    texts, images = latent_scenes()
    return texts[:N], images[:N]


@pytest.fixture
def holes():
    marked = np.zeros((N, SIZE, SIZE), np.bool_)
    for row in range(N):
        marked[row, 3 : 8 + row, 4:9] = True
    return marked


def noisy(images, sigma):
    draws = np.random.default_rng(1).normal(0, sigma, images.shape)
    return np.clip(images + draws, 0, 255).round().astype(np.uint8)


def restored(damaged, texts, model, seed=3, **parameters):
    given = {"steps": 60, "candidates": 2} | parameters
    return restore(damaged, texts, model, section("generation.restore", given), seed)


def test_known_pixels_stay_bit_by_bit_and_the_hole_does_not_show_through(model, scenes, holes):
    texts, images = scenes
    other = np.where(holes[..., None], 255 - images, images)  # what a hole contains must have no effect
    found, again = (restored(DamagedImages(some, holes), texts, model) for some in (images, other))
    assert np.array_equal(found.images[~holes], images[~holes])
    assert np.array_equal(found.images, again.images)
    assert not np.array_equal(found.images[holes], found.drawn[holes])
    assert (found.rms_errors[1] < found.rms_errors[0] / 2).all()


def test_it_starts_with_the_texts_image_that_is_nearest_to_the_known_pixels(model, scenes, holes):
    texts, images = scenes
    network = load_network(latent_models()["prior"], TextToImage)
    ids = token_ids(latent_models()["prior"], texts)
    candidates = []
    for number in range(5):
        noise = np.concatenate([sample_noise(3, row, NOISE, number) for row in range(N)])
        with torch.no_grad():
            candidates.append(to_uint8(network(ids, torch.from_numpy(noise))))
    errors = [
        np.square(one.astype(float) - images).sum((1, 2, 3), where=~holes[..., None]) for one in candidates
    ]
    nearest = np.argmin(errors, axis=0)
    assert len(set(nearest.tolist())) > 1
    found = restored(DamagedImages(images, holes), texts, model, candidates=5, steps=0)
    expected = np.stack([candidates[nearest[row]][row] for row in range(N)])
    assert np.abs(found.drawn.astype(int) - expected).max() <= 1
    assert np.array_equal(found.images[holes], found.drawn[holes])


def test_the_latent_is_the_most_probable_one(model, scenes, holes):
    """Without residual trunk the decoder is linear, and the best deviation has a closed form."""
    texts, images = scenes
    start = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    fixed = SimpleNamespace(
        device=model.device, variance=model.variance, vae=model.vae,
        generator=SimpleNamespace(noise_dim=2), condition=lambda texts: lambda noise: start,
    )  # fmt: skip
    damaged = DamagedImages(images[:1], holes[:1], noise=20.0)
    found = restored(damaged, texts[:1], fixed, steps=1000, learning_rate=0.2)
    sides = (8, 4, 2, 1)
    units = torch.eye(4 * sum(side**2 for side in sides)).split([4 * side**2 for side in sides], dim=1)
    shaped = [part.reshape(-1, 4, side, side) for part, side in zip(units, sides, strict=True)]
    with torch.no_grad():
        drawn = model.vae.decoder(start).double().flatten()
        matrix = (model.vae.decoder(start + sum_of_scales(shaped)).double().flatten(1) - drawn).T
    known = torch.from_numpy(np.broadcast_to(~holes[0], (3, SIZE, SIZE)).copy()).flatten()
    target = torch.from_numpy(images[0].transpose(2, 0, 1).copy()).double().flatten() / 127.5 - 1
    variance, rows = 4 * (model.variance + (20 / 255) ** 2), matrix[known]
    normal = rows.T @ rows / variance + torch.eye(matrix.shape[1], dtype=torch.float64)
    best = torch.linalg.solve(normal, rows.T @ (target - drawn)[known] / variance)
    decoded = ((matrix @ best + drawn).reshape(3, SIZE, SIZE).permute(1, 2, 0).numpy() + 1) * 127.5
    trust = (20 / 255) ** 2 / (model.variance + (20 / 255) ** 2)
    expected = np.where(holes[0][..., None], decoded, trust * decoded + (1 - trust) * images[0])
    assert np.abs(found.images[0] - expected.clip(0, 255)).max() < 1.5


def test_scales_share_the_variance():
    draw = torch.Generator().manual_seed(0)
    parts = [torch.randn(4000, 1, side, side, generator=draw) for side in (8, 4, 2, 1)]
    values = sum_of_scales(parts)
    assert values.shape == (4000, 1, 8, 8)
    assert 0.6 < float(values.var(0).mean()) < 1
    corners = values[:, 0, 0, 0], values[:, 0, 7, 7]  # what is far apart is alike, but less than neighbours
    apart, near = (float(torch.corrcoef(torch.stack([corners[0], some]))[0, 1]) for some in (
        corners[1], values[:, 0, 0, 1],
    ))  # fmt: skip
    assert 0.15 < apart < near < 0.9


def test_a_hole_follows_what_is_around_it(model, scenes, holes):
    """A picture that is darker than the text's image is darker in the hole as well."""
    texts, images = scenes
    drawn = restored(DamagedImages(images, holes), texts, model, steps=0, candidates=1).drawn
    darker = (drawn * 0.4).astype(np.uint8)
    found = restored(DamagedImages(darker, holes), texts, model, candidates=1)
    before, after = (
        np.abs(some[holes].astype(float) - darker[holes]).mean() for some in (drawn, found.images)
    )
    assert np.array_equal(found.drawn, drawn) and after < 0.7 * before


def test_noise_is_removed(model, scenes):
    texts, images = scenes
    given = noisy(images, 40.0)
    whole = np.zeros(images.shape[:3], np.bool_)
    found = restored(DamagedImages(given, whole, 40.0), texts, model, steps=150)
    assert psnr(found.images, images).mean() > psnr(given, images).mean() + 2
    assert found.summary().startswith("Removed noise of 40 levels in 150 steps")
    nearly = restored(DamagedImages(images, whole, 1e-3), texts, model)
    assert np.array_equal(nearly.images, images)  # hardly any noise: hardly any change


def test_noise_and_holes_together(model, scenes, holes):
    texts, images = scenes
    found = restored(DamagedImages(noisy(images, 30.0), holes, 30.0), texts, model)
    assert not np.array_equal(found.images[~holes], images[~holes])
    n_marked = holes[0].sum()
    assert found.summary().startswith(
        f"Filled {n_marked} of 256 pixels and removed noise of 30 levels in 60 steps"
    )


def test_same_seed_same_bytes(model, scenes, holes):
    texts, images = scenes
    one, same, other = (restored(DamagedImages(images, holes), texts, model, seed) for seed in (3, 3, 4))
    assert np.array_equal(one.images, same.images) and one.trail("given") == same.trail("given")
    assert not np.array_equal(one.images, other.images)


def test_an_image_does_not_depend_on_the_others(model, scenes, holes):
    texts, images = scenes
    together = restored(DamagedImages(images, holes), texts, model)
    alone = restored(DamagedImages(images[:1], holes[:1]), texts[:1], model)
    assert np.abs(alone.images[0].astype(int) - together.images[0]).max() <= 1


def test_a_model_that_retrieves_images_is_a_start_as_well(scenes, holes):
    texts, images = scenes
    tokenizer = Tokenizer.from_str(latent_models()["prior"].tokenizer)
    ids = torch.from_numpy(encode(tokenizer, latent_scenes()[0], 40))
    own, eos = tokenizer.get_vocab_size(), int(ids[0, (ids[0] != PAD_ID).sum() - 1])
    network, config, _ = make_retrieval_generator(ids, own, PAD_ID, eos, channels=3)
    bundle = to_bundle(
        network.kind, network, config, tokenizer=tokenizer, max_tokens=40, card_parameters={},
        data_digest="d", metrics={},
    )  # fmt: skip
    model = RestorationModel(latent_models()["vae"], bundle, RUN)
    found = restored(DamagedImages(images, holes), texts, model)
    assert np.array_equal(found.images[~holes], images[~holes])
    assert (found.rms_errors[1] < found.rms_errors[0] / 2).all()
    with torch.no_grad():  # where nothing else is known, the text's image stays
        drawn = network(ids[:N], torch.zeros(N, 4))
        coded = to_uint8(model.vae.decoder(model.vae.encoder(drawn)[0]))
    assert psnr(found.drawn, coded).mean() > 25


def test_files_and_trail(model, scenes, holes):
    texts, images = scenes
    found = restored(DamagedImages(images, holes), texts, model)
    files = found.files("captioner")
    assert set(files) == {"restored.png", "sheet.png", "restoration.json"}
    assert np.array_equal(files["restored.png"], found.images[0])
    trail = json.loads(json.dumps(files["restoration.json"]))
    assert trail["text"] == texts[0] and trail["text_source"] == "captioner"
    assert (trail["filled_pixels"], trail["noise"], trail["steps"]) == (25, 0.0, 60)
    assert trail["rms_error"]["end"] < trail["rms_error"]["start"]
    with_alpha = replace(
        found,
        damaged=replace(found.damaged, images=np.pad(images, ((0, 0),) * 3 + ((0, 1),), constant_values=255)),
        images=np.pad(found.images, ((0, 0),) * 3 + ((0, 1),), constant_values=255),
        drawn=np.pad(found.drawn, ((0, 0),) * 3 + ((0, 1),), constant_values=255),
    )
    assert np.array_equal(with_alpha.files("given")["sheet.png"], files["sheet.png"])


def test_holes_are_filled_with_the_mean_of_what_is_known(scenes, holes):
    _, images = scenes
    filled = DamagedImages(images, holes).filled()
    assert np.array_equal(filled[~holes], images[~holes])
    mean = images[0][~holes[0]].mean(axis=0).round()
    assert (filled[0][holes[0]] == mean).all()


def test_what_cannot_be_restored_is_an_error(scenes, holes):
    _, images = scenes
    with pytest.raises(LexipixError, match="paint black what is to stay"):
        DamagedImages(images, np.ones_like(holes))
    with pytest.raises(LexipixError, match="paint white what is to be filled"):
        DamagedImages(images, np.zeros_like(holes))
    with pytest.raises(LexipixError, match="give each image a mask of its size"):
        DamagedImages(images, holes[:, :8])


def test_images_of_another_size_are_an_error(model, scenes, holes):
    texts, images = scenes
    with pytest.raises(LexipixError, match="are 4x3x8x16 and those of the model 4x3x16x16"):
        restored(DamagedImages(images[:, :8], holes[:, :8]), texts, model)

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.support.latent_models import CHANNELS, NOISE, SIZE, latent_models, latent_scenes
from tests.support.parameters import section
from tokenizers import Tokenizer

from lexipix.data.images import to_uint8
from lexipix.data.tokenization import encode
from lexipix.inference.inversion import invert, start_from_text
from lexipix.inference.onnx_generator import sample_noise
from lexipix.inference.redraw_result import Attempt, RedrawResult
from lexipix.inference.targets import Target
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE as AutoEncoder
from lexipix.training.bundles import load_network
from lexipix.utils.errors import LexipixError

RUN = section("run", {"device": "cpu", "precision": "fp32", "seed": 3})
LATENT = CHANNELS * 8 * 8


@pytest.fixture
def scenes():
    return latent_scenes()


@pytest.fixture
def models():
    return latent_models()


@pytest.fixture
def redrawn(scenes, models):
    """A loop of two tries; the second is the best."""
    texts, images = scenes

    def one(number, model):
        return Attempt(number, 1, model, texts[0], 5, number - 1, 0.1, 0.1, 0.1, 0.1, 9.0)

    drawn = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    return RedrawResult(images[0], "captioner", drawn, [one(1, "gan"), one(2, "vae")], 1, None)


def inverted(redrawn, models, target=None, **parameters):
    given = section("generation.redraw", parameters)
    return invert(replace(redrawn, target=target), models.__getitem__, given, RUN)


def test_it_starts_where_the_best_attempt_was_drawn(redrawn, models, scenes):
    found = inverted(redrawn, models, optimize_steps=4)
    network = load_network(models["prior"], TextToImage)
    ids = torch.from_numpy(encode(Tokenizer.from_str(models["prior"].tokenizer), [scenes[0][0]], 40))
    with torch.no_grad():
        drawn = to_uint8(network(ids, torch.from_numpy(sample_noise(5, 1, NOISE))))[0]
    assert np.abs(found.images[0].astype(int) - drawn).max() <= 1
    assert len(found.images) == len(found.steps) == 5
    assert found.model == "vae" and found.num_values == LATENT


@pytest.mark.parametrize("optimize", ["latent", "noise"])
def test_steps_lead_towards_the_image_and_report_what_they_change(redrawn, models, optimize):
    found = inverted(redrawn, models, optimize_steps=6, optimize=optimize)
    assert found.steps[-1].psnr > found.steps[0].psnr
    assert [one.step for one in found.steps] == list(range(7))
    trail = json.loads(json.dumps(found.trail()))
    assert trail["path"] == f"text + {optimize}" and trail["init"] == "best"
    assert trail["num_values"] == (LATENT if optimize == "latent" else NOISE)
    assert found.summary().startswith(f"The text alone gave {found.steps[0]}")
    assert found.summary().endswith("This is no result of the text path.")


def test_the_latent_comes_nearer_than_the_noise(redrawn, models):
    by = {
        optimize: inverted(redrawn, models, optimize_steps=16, optimize=optimize).steps[-1].psnr
        for optimize in ("latent", "noise")
    }
    assert by["latent"] > by["noise"] + 3


def test_the_encoders_latent_is_reported_as_the_direct_path(redrawn, models):
    found = inverted(redrawn, models, optimize_steps=3, init="picture")
    vae = load_network(models["vae"], AutoEncoder)
    picture = torch.from_numpy(redrawn.given.transpose(2, 0, 1)[None].copy()).float() / 127.5 - 1
    with torch.no_grad():
        direct = to_uint8(vae.decoder(vae.encoder(picture)[0]))[0]
    assert np.abs(found.images[0].astype(int) - direct).max() <= 1
    assert found.path == "direct + latent" and found.model == "vae"
    assert found.summary().startswith(f"The encoder's {LATENT} numbers, without any text, gave ")
    assert found.steps[-1].psnr >= found.steps[0].psnr


def test_it_ends_with_the_step_that_reaches_the_target(redrawn, models):
    everything = inverted(redrawn, models, optimize_steps=8)
    wanted = Target("psnr", everything.steps[3].psnr - 1e-6)
    found = inverted(redrawn, models, wanted, optimize_steps=8)
    assert found.reached and found.target == wanted
    assert found.steps == everything.steps[: len(found.steps)] and len(found.steps) <= 4
    assert not inverted(redrawn, models, Target("ssim", 0.9999), optimize_steps=2).reached


def test_an_image_that_is_good_enough_stays_on_the_text_path(redrawn, models):
    found = inverted(redrawn, models, Target("psnr", 0.0), optimize_steps=8)
    assert len(found.steps) == 1 and found.path == "text"
    assert found.trail()["num_values"] == 0 and found.summary().endswith("no step was taken.")


def test_a_score_as_target_is_ignored(redrawn, models):
    found = inverted(redrawn, models, Target("score", -1.0), optimize_steps=2)
    assert len(found.steps) == 3 and found.target is None


def test_same_bytes_again(redrawn, models):
    one, other = (inverted(redrawn, models, optimize_steps=5) for _ in range(2))
    assert np.array_equal(one.images, other.images) and one.trail() == other.trail()


def test_files_stand_apart_from_those_of_the_text_path(redrawn, models):
    parameters = section("generation.redraw", {"optimize_steps": 20})
    result = replace(redrawn, inversion=invert(redrawn, models.__getitem__, parameters, RUN))
    files = result.files()
    assert set(files) == {"best.png", "sheet.png", "trail.json", "optimized.png", "optimized_sheet.png"}
    assert np.array_equal(files["best.png"], redrawn.images[1])
    assert np.array_equal(files["optimized.png"], result.inversion.images[-1])
    assert (
        files["trail.json"]["path"] == "text" and files["trail.json"]["optimized"]["path"] == "text + latent"
    )
    assert "optimized" not in redrawn.trail()


@pytest.mark.parametrize("index", range(4))
def test_noise_keeps_its_norm(redrawn, models, index):
    attempt = replace(redrawn.attempts[0], index=index)
    begun = start_from_text(models.__getitem__, attempt, "noise", torch.device("cpu"))
    assert np.array_equal(begun.values.numpy(), sample_noise(5, index, NOISE))
    assert begun.max_norm == pytest.approx(max(NOISE**0.5, np.linalg.norm(begun.values)))


def test_what_cannot_be_optimized_is_an_error(redrawn, models):
    with pytest.raises(LexipixError, match="remove --optimize noise"):
        inverted(redrawn, models, optimize_steps=1, init="picture", optimize="noise")
    other = replace(redrawn, attempts=[replace(one, model="tokens") for one in redrawn.attempts])
    with pytest.raises(
        LexipixError, match="Images of the model tokens cannot be optimized: choose --model vae or gan"
    ):
        inverted(other, models, optimize_steps=1)

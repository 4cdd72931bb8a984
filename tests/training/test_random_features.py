import pytest
import torch
from tests.support.generator_world import CPU, world

from lexipix.data.images import ImageRows
from lexipix.models.random_features import RandomFeatureRegressor
from lexipix.training.random_features import FEATURES_PER_WORDING, fit, fit_random_features


def make(width, text_width=6, embed_dim=4, channels=2):
    torch.manual_seed(0)
    return RandomFeatureRegressor(text_width, embed_dim, channels, width)


def fit_evenly(regressor, texts, latents):
    fit(regressor, texts, latents, torch.ones(len(texts)))


@torch.no_grad()
def predict(regressor, texts):
    return regressor.readout(regressor.features(texts))


def explained(latents, guesses):
    return float(1 - (latents - guesses).square().mean() / (latents - latents.mean(0)).square().mean())


def test_captions_of_the_training_are_reproduced():
    torch.manual_seed(1)
    texts, latents = torch.randn(40, 16) * torch.logspace(1, 0, 16) + 3, torch.randn(40, 128)
    regressor = make(512)
    fit_evenly(regressor, texts, latents)
    assert explained(latents, predict(regressor, texts)) > 0.95


def test_new_captions_do_not_oscillate():
    torch.manual_seed(1)
    texts, map_ = torch.randn(160, 16), torch.randn(16, 128) / 4
    latents = (texts @ map_).tanh() + 0.3 * torch.randn(160, 128)
    answers = {}
    for factor in (1, FEATURES_PER_WORDING):
        regressor = make(factor * 120)
        fit_evenly(regressor, texts[:120], latents[:120])
        answers[factor] = explained(latents[120:], predict(regressor, texts[120:]))
    assert answers[1] < 0 < answers[FEATURES_PER_WORDING], (
        "as many features as captions oscillate between them"
    )


def test_images_that_share_a_caption_are_averaged():
    torch.manual_seed(1)
    texts, latents = torch.randn(30, 16).repeat(2, 1), torch.randn(60, 128)
    regressor = make(512)
    fit_evenly(regressor, texts, latents)
    means = latents.unflatten(0, (2, 30)).mean(0).repeat(2, 1)
    assert explained(means, predict(regressor, texts)) > 0.95


@pytest.mark.parametrize("rounding", [0.0, 1e-7])
def test_captions_that_all_say_the_same_give_the_mean(rounding):
    torch.manual_seed(1)
    texts, latents = (
        torch.randn(1, 16).repeat(30, 1) * (1 + rounding * torch.randn(30, 16)),
        torch.randn(30, 128),
    )
    regressor = make(64)
    fit_evenly(regressor, texts, latents)
    for asked in (texts, torch.randn(5, 16)):
        torch.testing.assert_close(predict(regressor, asked), latents.mean(0).expand(len(asked), -1))


def test_rows_count_by_their_weights():
    torch.manual_seed(1)
    texts, latents = torch.randn(30, 16).repeat(2, 1), torch.randn(60, 128)
    regressor = make(512)
    fit(regressor, texts, latents, torch.cat([torch.full((30,), 3.0), torch.full((30,), 1.0)]))
    means = (0.75 * latents[:30] + 0.25 * latents[30:]).repeat(2, 1)
    assert explained(means, predict(regressor, texts)) > 0.95


def test_only_the_ratio_of_weights_counts():
    torch.manual_seed(1)
    texts, latents = torch.randn(40, 16), torch.randn(40, 128)
    one, other = make(64), make(64)
    fit_evenly(one, texts, latents)
    fit(other, texts, latents, torch.full((40,), 0.5))
    for key, value in one.state_dict().items():
        torch.testing.assert_close(value, other.state_dict()[key], rtol=1e-4, atol=1e-5)


def test_a_caption_unlike_all_others_gets_a_latent_of_the_usual_size():
    torch.manual_seed(1)
    texts, latents = torch.randn(200, 16), torch.randn(200, 128) + 5
    regressor = make(2048)
    fit_evenly(regressor, texts, latents)
    far = predict(regressor, 100 * torch.randn(50, 16)) - latents.mean(0)
    assert far.square().mean() < 3 * (latents - latents.mean(0)).square().mean()


def test_the_same_seed_fits_to_the_same_bytes_and_flat_directions_do_no_harm():
    torch.manual_seed(1)
    texts, latents = torch.randn(40, 16), torch.randn(40, 128)
    texts[:, 3] = 7.0  # says the same of every caption
    fitted = []
    for _ in range(2):
        regressor = make(64)
        fit_evenly(regressor, texts, latents)
        fitted.append(regressor.state_dict())
    assert all(torch.equal(fitted[0][key], fitted[1][key]) for key in fitted[0])
    assert all(torch.isfinite(value).all() for value in fitted[0].values())


def test_a_model_reproduces_the_latents_of_its_training_images():
    model, vae = world().text_to_image(memory=256), world().vae()
    images, captions = ImageRows(world().images, CPU), world().captions
    fit_random_features(model, vae.encoder, images, captions, CPU)
    rows = torch.arange(len(images))
    with torch.no_grad():
        latents = vae.encoder(images[rows])[0]
        drawn = model.sample_latents(model.encode_text(captions.primary(rows)), torch.randn(len(rows), 3))
    assert explained(latents.flatten(1), drawn.flatten(1)) > 0.9


def test_the_random_features_are_fitted_and_not_trained():
    task = world().prior_task(world().text_to_image(memory=16), **{"training.learning_rate": 1e-2})
    regressor = task.model.prior.random_features
    before = {key: value.clone() for key, value in regressor.state_dict().items()}
    first = task.model.prior.proj_out.weight.detach().clone()
    assert not first.any(), "the convolutions add nothing at first"
    for _ in range(2):
        task.step(torch.arange(8), 0.5)
    assert all(torch.equal(before[key], value) for key, value in regressor.state_dict().items())
    assert task.model.prior.proj_out.weight.any()


def test_every_wording_of_a_caption_is_fitted():
    model, vae = world().text_to_image(memory=256), world().vae()
    images, captions = ImageRows(world().images, CPU), world().captions
    assert captions.n_captions > len(captions)
    fit_random_features(model, vae.encoder, images, captions, CPU, primary_caption_prob=0.5)
    rows = torch.arange(len(images))
    last = captions.starts + captions.counts - 1
    with torch.no_grad():
        latents = vae.encoder(images[rows])[0].flatten(1)
        for ids in (captions.primary(rows), captions.select(last)):
            drawn = model.sample_latents(model.encode_text(ids), torch.randn(len(rows), 3)).flatten(1)
            assert explained(latents, drawn) > 0.8


@torch.no_grad()
def test_a_model_with_random_features_can_be_cast_as_a_whole():
    model = world().text_to_image(memory=16).bfloat16()
    drawn = model(world().captions.primary(torch.arange(2)), torch.zeros(2, 3, dtype=torch.bfloat16))
    assert drawn.dtype == torch.bfloat16


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_half_precision_around_it_leaves_it_exact(dtype):
    torch.manual_seed(0)
    regressor = make(64)
    states, mask, vector = torch.randn(3, 5, 6), torch.ones(3, 5, dtype=torch.bool), torch.randn(3, 4)
    with torch.no_grad():
        expected = regressor(states, mask, vector)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            assert torch.equal(regressor(states, mask, vector), expected)

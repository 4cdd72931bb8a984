"""The stage on an in-memory catalog, from untrained features and captioner to models that draw."""

import copy
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.runner import SequentialRunner
from tests.support.generator_world import pair_on
from tests.support.parameters import section
from tests.support.pickling_engine import PicklingEngine
from tokenizers import Tokenizer

from lexipix.config.generator import GENERATOR_SIZES
from lexipix.data.images import to_uint8
from lexipix.data.tokenization import encode, train_tokenizer
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.text_to_image import TextToImage
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import VAE as VAENetwork
from lexipix.pipelines.generator.nodes import (
    train_gan,
    train_image_tokenizer,
    train_prior,
    train_token_generator,
)
from lexipix.pipelines.generator.pipeline import create_pipeline
from lexipix.scenes import caption, paraphrases, render_many, sample_scene
from lexipix.training.builders.captioner import build_captioner
from lexipix.training.bundles import known_words, load_network, to_bundle
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ImageSplits, Split

SIZE, MAX_TOKENS = 16, 48
RUN = section("run", {"seed": 3, "device": "cpu", "precision": "fp32", "threads": 1})
TRAINING = {"training.num_images": 16, "training.batch_size": 8, "training.num_validations": 2}
SMALL = {"width": 8, "depth": 1, **TRAINING}
TOKENS = section(
    "generator.tokens",
    {
        **{f"tokenizer.{key}": value for key, value in SMALL.items()},
        **{f"transformer.{key}": value for key, value in TRAINING.items()},
        "tokenizer.levels": [[4, 3, 2], [3, 3]],
        "transformer.width": 96,  # as wide as the captioner's language model
        "transformer.depth": 3,
        "transformer.decoding_steps": [1, 1],
        "transformer.adversarial_fraction": 0.5,
    },
)
TOKENIZER, TRANSFORMER = TOKENS.tokenizer, TOKENS.transformer
VAE = section("generator.vae", {"latent_channels": 4, **SMALL})
OWN = GENERATOR_SIZES["tiny"]
ON = section("generator.feedback")
OFF = ON.model_copy(update={"enabled": False})
MODELS, TOKEN_MODELS = ("vae", "prior", "gan"), ("image_tokenizer", "tokens")


def prior_parameters(**changes):
    return section("generator.prior", {"width": 32, "depth": 1, "noise_dim": 3, **TRAINING, **changes})


def gan_parameters(**changes):
    small = {"discriminator_width": 8, "discriminator_warmup": 0.0, "size": "tiny"}
    return section("generator.gan", {**small, **TRAINING, **changes})


PRIOR, GAN = prior_parameters(), gan_parameters()


class Services:
    """A metric stream and a checkpoint store that keep nothing."""

    def log(self, images_seen, values):
        pass

    def image(self, key, images_seen, image):
        pass

    def save(self, tensors, meta):
        pass

    def load(self):
        return None

    def clear(self):
        pass


class Kept(MemoryDataset):
    """Stays when the last node has read it, as a file would."""

    def _release(self):
        pass


def split(n, seed, withheld=()):
    rng = np.random.default_rng(seed)
    scenes = [sample_scene(rng) for _ in range(n)]
    table = pd.DataFrame(
        {
            "file": [f"{i}.png" for i in range(n)],
            "caption": [None if i in withheld else caption(scene) for i, scene in enumerate(scenes)],
            "paraphrases": [list(paraphrases(scene)) for scene in scenes],
        }
    )
    return Split(render_many(scenes, rng, SIZE), table)


@pytest.fixture(scope="module")
def image_splits():
    return ImageSplits(
        split(12, 0), split(8, 1, withheld=[2]), split(2, 2), split(2, 3), summary={"digest": "0123"}
    )


@pytest.fixture(scope="module")
def contrastive_pair(image_splits):
    texts = image_splits.train.captions["caption"].tolist()
    tokenizer = train_tokenizer(texts, 300)
    network = {
        "image_encoder": {"channels": [4, 6, 8], "blocks": [0, 0, 0], "embed_dim": 8},
        "text_encoder": {
            "vocabulary": tokenizer.get_vocab_size(), "max_tokens": MAX_TOKENS, "width": 32, "depth": 1,
            "embed_dim": 8,
        },
        "n_predicted": 0,
    }  # fmt: skip
    torch.manual_seed(0)
    return to_bundle(
        "contrastive_pair", ContrastivePair.from_config(network), network, tokenizer=tokenizer,
        max_tokens=MAX_TOKENS, card_parameters={}, data_digest="0123", metrics={},
        image_size=SIZE, image_channels=3,
        known_words=known_words(texts),
    )  # fmt: skip


@pytest.fixture(scope="module")
def captioner(image_splits, contrastive_pair):
    parameters = section("captioner", {"language_model.size": "nano"})
    setup = build_captioner(RUN, parameters, image_splits, contrastive_pair, None)
    return to_bundle(
        "captioner", setup.network, setup.config, card_parameters={}, data_digest="0123", metrics={},
        **setup.bundle,
    )  # fmt: skip


@pytest.fixture(scope="module")
def catalog(image_splits, contrastive_pair, captioner):
    """All that the stage read and wrote."""
    entries = {
        "params:generator.vae": VAE, "params:generator.prior": PRIOR, "params:generator.gan": GAN,
        "params:generator.feedback": OFF, "params:generator.flip": False, "params:run": RUN,
        "params:generator.tokens.enabled": True, "params:generator.tokens.tokenizer": TOKENIZER,
        "params:generator.tokens.transformer": TRANSFORMER, "image_splits": image_splits,
        "captions_complete": image_splits.train.captions, "contrastive_pair": contrastive_pair,
        "captioner": captioner,
        **{
            f"{name}_{kind}": Services()
            for name in (*MODELS, *TOKEN_MODELS)
            for kind in ("stream", "checkpoints")
        },
    }  # fmt: skip
    outputs = [
        f"{name}{kind}"
        for name in (*MODELS, *TOKEN_MODELS)
        for kind in ("", "_curves", "_metrics", "_sample_grid")
    ]
    entries["engine"] = PicklingEngine()
    catalog = DataCatalog(
        {name: Kept(value, copy_mode="assign") for name, value in entries.items()}
        | {name: Kept(copy_mode="assign") for name in outputs}
    )
    logging.getLogger("kedro").setLevel(logging.WARNING)
    SequentialRunner().run(create_pipeline(), catalog)
    return catalog


@pytest.mark.parametrize("name", [*MODELS, *TOKEN_MODELS])
def test_each_training_gives_curves_metrics_and_a_sample_grid(catalog, name):
    curves, metrics, grid = (catalog.load(f"{name}_{kind}") for kind in ("curves", "metrics", "sample_grid"))
    assert curves["images_seen"].tolist() == [8, 16]
    assert metrics["images_seen"] == 16 and metrics["val_loss_of_1" if name == "tokens" else "val_psnr"] > 0
    assert grid.dtype == np.uint8 and grid.ndim == 3


@torch.no_grad()
def test_the_vae_can_be_rebuilt_and_reconstructs(catalog, image_splits):
    bundle = catalog.load("vae")
    assert bundle.config["kind"] == "vae" and bundle.config["image_size"] == SIZE and bundle.tokenizer is None
    vae = load_network(bundle, VAENetwork)
    images = torch.from_numpy(image_splits.val.images).permute(0, 3, 1, 2).float() / 127.5 - 1
    error = (vae.decoder(vae.encoder(images)[0]).clamp(-1, 1) - images).square().mean((1, 2, 3)) / 4
    psnr = float(-10 * error.log10().mean())
    assert psnr == pytest.approx(catalog.load("vae_metrics")["val_psnr"], abs=0.01)


@pytest.mark.parametrize("name", ["prior", "gan"])
@torch.no_grad()
def test_text_to_image_models_can_be_rebuilt_and_draw_the_same(catalog, image_splits, contrastive_pair, name):
    bundle = catalog.load(name)
    assert bundle.config["kind"] == "text_to_image"
    assert bundle.tokenizer == contrastive_pair.tokenizer
    expected = {
        "image_size": SIZE, "image_channels": 3, "max_tokens": MAX_TOKENS, "noise_dim": 3,
        "known_words": contrastive_pair.config["known_words"],
    }  # fmt: skip
    assert {key: bundle.config[key] for key in expected} == expected
    assert bundle.card["data_digest"] == "0123"

    # The stage's own samples again, from the bundle alone: captioned validation images above generated ones
    model, grid = load_network(bundle, TextToImage), catalog.load(f"{name}_sample_grid")
    assert isinstance(model, TextToImage)
    chosen = image_splits.val.captions["caption"].notna().to_numpy()
    tokenizer = Tokenizer.from_str(bundle.tokenizer)
    ids = torch.from_numpy(
        encode(tokenizer, image_splits.val.captions["caption"][chosen].tolist(), MAX_TOKENS)
    )
    torch.manual_seed(RUN.seed)
    drawn = to_uint8(model(ids, torch.randn(len(ids), 3)))
    pairs = [pair_on(grid, number, len(ids), SIZE) for number in range(len(ids))]
    real, shown = (np.stack(side) for side in zip(*pairs, strict=True))
    assert np.array_equal(real, image_splits.val.images[chosen])
    assert np.abs(drawn.astype(int) - shown).max() <= 1  # padding and layout may move a rounding


def test_what_a_training_starts_from_stays_as_it_was(catalog, captioner, contrastive_pair):
    prior, gan, vae = (catalog.load(name).weights for name in ("prior", "gan", "vae"))
    for name, weight in prior.items():
        part, _, rest = name.partition(".")
        if part == "language_model":
            assert torch.equal(weight, captioner.weights[name]), name
        if part == "text_encoder":
            assert torch.equal(weight, contrastive_pair.weights[name]), name
        if part == "decoder":
            assert torch.equal(weight, vae[f"decoder.{rest}"]), name
        if part in ("language_model", "text_encoder"):
            assert torch.equal(weight, gan[name]), name
    assert any(not torch.equal(prior[name], gan[name]) for name in prior if name.startswith("decoder."))


def test_a_gan_from_scratch_forgets_the_regression(catalog, image_splits, contrastive_pair):
    scratch = gan_parameters(start="scratch", **{"training.learning_rate": 1e-9})
    run = RUN.model_copy(update={"seed": 4})  # the prior's seed would give the prior's first weights
    bundle, *_ = train_gan(
        scratch, OFF, False, run, image_splits, image_splits.train.captions, contrastive_pair,
        catalog.load("prior"), Services(), Services(),
    )  # fmt: skip
    model, prior = load_network(bundle, TextToImage), load_network(catalog.load("prior"), TextToImage)
    assert isinstance(model.decoder, UpsamplingDecoder)
    assert model.prior.noise_dim == bundle.config["noise_dim"] == OWN.noise_dim
    assert not torch.allclose(model.prior.grid_bias, prior.prior.grid_bias, atol=1e-3)
    ids = torch.tensor([[5, 6, 1]])
    assert model(ids, torch.zeros(1, OWN.noise_dim)).shape == (1, 3, SIZE, SIZE)


def test_a_gan_with_a_decoder_of_its_own_keeps_the_prior(catalog, image_splits, contrastive_pair):
    parameters = gan_parameters(start="upsampling", pretrain_fraction=0.5, discriminator_warmup=0.4)
    trained = catalog.load("prior")
    bundle, curves, *_ = train_gan(
        parameters, OFF, False, RUN, image_splits, image_splits.train.captions, contrastive_pair, trained,
        Services(), Services(),
    )  # fmt: skip
    assert "pretrain_loss" in curves.columns
    model, prior = load_network(bundle, TextToImage), load_network(trained, TextToImage)
    assert isinstance(model.decoder, UpsamplingDecoder)
    assert model.prior.noise_dim == bundle.config["noise_dim"] == prior.prior.noise_dim
    # Sixteen images in batches of eight: pretrained in the first, the discriminator alone in the second
    assert torch.equal(model.prior.grid_bias, prior.prior.grid_bias)


def test_feedback_is_reported_and_serves_gans_that_resemble_the_real_images(
    catalog, image_splits, contrastive_pair, captioner
):
    data, names = (image_splits, image_splits.train.captions, contrastive_pair), {"failure_rate", "lr_factor"}
    models = captioner, catalog.load("vae")
    _, curves, *_ = train_prior(PRIOR, ON, False, RUN, *data, *models, Services(), Services())
    assert names <= set(curves.columns)
    assert not names & set(catalog.load("prior_curves").columns)
    prior = catalog.load("prior")
    for changes, takes_part in (({}, True), ({"pixel_pool": 2}, False), ({"pixel_weight": 0.0}, False)):
        gan = gan_parameters(**changes)
        _, curves, metrics, _ = train_gan(gan, ON, False, RUN, *data, prior, Services(), Services())
        assert (names <= set(curves.columns)) == takes_part
        if takes_part:
            assert metrics["val_objective"] == curves["val_objective"].min()


def test_another_tokenizer_of_the_captioner_is_an_error(catalog, image_splits, contrastive_pair, captioner):
    other = copy.copy(captioner)
    other.tokenizer = train_tokenizer(["another one"], 270).to_str()
    with pytest.raises(LexipixError, match=r"features\.tokenizer equal to captioner\.language_model\.path"):
        train_prior(
            PRIOR, OFF, False, RUN, image_splits, image_splits.train.captions, contrastive_pair, other,
            catalog.load("vae"), Services(), Services(),
        )  # fmt: skip


def test_the_token_generator_starts_from_the_captioners_language_model(
    catalog, image_splits, contrastive_pair, captioner
):
    slow = TRANSFORMER.training.model_copy(update={"learning_rate": 1e-9})
    parameters = TRANSFORMER.model_copy(update={"adversarial_fraction": 0.0, "training": slow})
    bundle, *_ = train_tokens(catalog, parameters, image_splits, contrastive_pair, captioner)
    vocabulary, found = captioner.config["network"]["language_model"]["vocab_size"], 0
    for name, weight in captioner.weights.items():
        part = name.removeprefix("language_model.transformer.")
        new = bundle.weights.get(f"token_generator.language_model.transformer.{part}")
        if new is not None and part != name:
            rows = {"wte.weight": vocabulary, "wpe.weight": MAX_TOKENS}.get(part, len(weight))
            assert torch.allclose(new[:rows], weight[:rows], atol=1e-5), name
            found += 1
    assert found == 2 + 2 * 12 + 2  # tokens and positions, two layers without cross-attention, a norm
    assert (
        bundle.config["network"]["token_generator"]["language_model"]["vocab_size"] == vocabulary + 24 + 9 + 2
    )


def test_a_token_generator_without_a_hint_needs_no_prior(catalog, image_splits, contrastive_pair, captioner):
    parameters = TRANSFORMER.model_copy(update={"prior_hint": False})
    alone = train_tokens(catalog, parameters, image_splits, contrastive_pair, captioner)[0]
    sketched = catalog.load("tokens").weights
    assert alone.config["network"]["prior_hint"] is None
    assert (
        {name for name in sketched if "prior_hint" in name} == sketched.keys() - alone.weights.keys() != set()
    )


@torch.no_grad()
def test_the_bundle_alone_generates_images(catalog):
    bundle, tokenizer = catalog.load("tokens"), catalog.load("image_tokenizer")
    assert bundle.config["kind"] == "tokens_to_image" and bundle.config["max_tokens"] == MAX_TOKENS
    model = load_network(bundle, TokensToImage)
    assert model.noise_dim == bundle.config["noise_dim"]
    for name, weight in tokenizer.weights.items():
        assert torch.equal(bundle.weights[f"image_tokenizer.{name}"], weight), name
    for name, weight in catalog.load("prior").weights.items():
        if name.startswith("prior."):
            assert torch.equal(bundle.weights[f"prior_hint.{name}"], weight), name
    assert model(torch.tensor([[5, 6, 1]]), torch.zeros(1, model.noise_dim)).shape == (1, 3, SIZE, SIZE)


def test_a_captioner_of_another_width_only_lends_its_tokenizer(
    catalog, image_splits, contrastive_pair, captioner
):
    parameters = TRANSFORMER.model_copy(update={"width": 32, "depth": 1})
    bundle, *_ = train_tokens(catalog, parameters, image_splits, contrastive_pair, captioner)
    assert bundle.config["network"]["token_generator"]["language_model"]["n_embd"] == 32
    assert bundle.tokenizer == captioner.tokenizer


def test_tokens_can_be_disabled(catalog, image_splits, contrastive_pair, captioner):
    services = Services(), Services()
    tokenizer, curves, metrics, grid = train_image_tokenizer(False, TOKENIZER, RUN, image_splits, *services)
    assert is_skipped(tokenizer) and len(curves) == 0 and metrics == {} and grid.ndim == 3
    models = contrastive_pair, captioner, catalog.load("prior"), tokenizer
    rest = GAN, False, RUN, image_splits, image_splits.train.captions, *models, *services
    assert is_skipped(train_token_generator(False, TRANSFORMER, *rest)[0])
    with pytest.raises(LexipixError, match=r"--tags image_tokenizer` with generator\.tokens\.enabled = true"):
        train_token_generator(True, TRANSFORMER, *rest)


def test_more_levels_than_a_cell_has_values_are_an_error(image_splits):
    parameters = TOKENIZER.model_copy(update={"levels": ((4, 3, 2), (2,) * 10)})
    with pytest.raises(
        LexipixError, match="makes 13 values of a cell, and a cell of images of 16 pixels has only 12"
    ):
        train_image_tokenizer(True, parameters, RUN, image_splits, Services(), Services())


def train_tokens(catalog, parameters, image_splits, contrastive_pair, captioner):
    return train_token_generator(
        True, parameters, GAN, False, RUN, image_splits, image_splits.train.captions, contrastive_pair,
        captioner, catalog.load("prior"), catalog.load("image_tokenizer"), Services(), Services(),
    )  # fmt: skip

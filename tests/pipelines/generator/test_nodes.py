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
from tokenizers import Tokenizer

from lexipix.config.captioner import CaptionerParameters
from lexipix.config.generator import (
    GENERATOR_SIZES,
    GANParameters,
    GeneratorLaunchParameters,
    LoopParameters,
    PriorParameters,
    VAEParameters,
)
from lexipix.config.run import RunParameters
from lexipix.config.tokens import VisualWordsParameters, WriterParameters
from lexipix.data.images import to_uint8
from lexipix.data.tokenization import encode, train_tokenizer
from lexipix.models.build import build
from lexipix.models.text_to_image import TextToImage
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.pipelines.generator.nodes import train_gan, train_prior, train_visual_words, train_words
from lexipix.pipelines.generator.pipeline import create_pipeline
from lexipix.scenes import caption, paraphrases, render_many, sample_scene
from lexipix.training.builders.captioner import make_captioner
from lexipix.training.builders.common import require_one_tokenizer
from lexipix.training.bundles import known_words, load_network, to_bundle
from lexipix.training.random_features import FEATURES_PER_WORDING
from lexipix.utils.errors import LexipixError
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ImageSplits, Split

SIZE, MAX_TOKENS = 16, 48
RUN = RunParameters(seed=3, device="cpu", precision="fp32", threads=1)
TRAINING = {"images": 16, "batch_size": 8, "reports": 2}
VAE = VAEParameters(latent_channels=4, width=8, depth=1, training=TRAINING)
PRIOR = PriorParameters(width=32, depth=1, noise_width=3, training=TRAINING)
OWN = GENERATOR_SIZES["tiny"]
GAN = GANParameters(discriminator_width=8, head_start=0.0, training=TRAINING)
VISUAL_WORDS = VisualWordsParameters(levels=[[4, 3, 2], [3, 3]], width=8, depth=1, training=TRAINING)
WRITER = WriterParameters(  # as wide as the captioner's language model
    width=96, depth=3, passes=(1, 1), sketch=True, adversarial=0.5, training=TRAINING
)
MODELS = ("vae", "prior", "gan")
OFF, ON = LoopParameters(enabled=False), LoopParameters()
WORDS = ("image_tokenizer", "words")
ONE, TWO = GeneratorLaunchParameters(), GeneratorLaunchParameters(processes=2)


class Machinery:
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
def pictures():
    return ImageSplits(
        split(12, 0), split(8, 1, withheld=[2]), split(2, 2), split(2, 3), summary={"digest": "0123"}
    )


@pytest.fixture(scope="module")
def contrastive_pair(pictures):
    texts = pictures.train.captions["caption"].tolist()
    tokenizer = train_tokenizer(texts, 300)
    network = {
        "image_encoder": {"channels": [4, 6, 8], "blocks": [0, 0, 0], "embed_dim": 8},
        "text_encoder": {
            "vocabulary": tokenizer.get_vocab_size(), "max_tokens": MAX_TOKENS, "width": 32, "depth": 1,
            "embed_dim": 8,
        },
    }  # fmt: skip
    torch.manual_seed(0)
    return to_bundle(
        "contrastive_pair", build("contrastive_pair", network), network, tokenizer=tokenizer,
        max_tokens=MAX_TOKENS, card_parameters={}, data_digest="0123", figures={}, image_size=SIZE,
        known_words=known_words(texts),
    )  # fmt: skip


@pytest.fixture(scope="module")
def captioner(contrastive_pair):
    torch.manual_seed(1)
    parameters = CaptionerParameters(language_model={"source": "scratch", "size": "nano"})
    network, config, tokenizer = make_captioner(parameters, contrastive_pair, None)
    return to_bundle(
        "captioner", network, config, tokenizer=tokenizer, max_tokens=MAX_TOKENS, card_parameters={},
        data_digest="0123", figures={}, image_size=SIZE, known_words=contrastive_pair.config["known_words"],
    )  # fmt: skip


@pytest.fixture(scope="module")
def catalog(pictures, contrastive_pair, captioner):
    """All that the stage read and wrote."""
    entries = {
        "params:generator.vae": VAE, "params:generator.prior": PRIOR, "params:generator.gan": GAN,
        "params:generator.launch": ONE, "params:generator.loop": OFF, "params:generator.flip": False,
        "params:run": RUN, "pictures": pictures,
        "params:generator.words.enabled": True, "params:generator.words.tokenizer": VISUAL_WORDS,
        "params:generator.words.writer": WRITER,
        "captions_complete": pictures.train.captions, "contrastive_pair": contrastive_pair,
        "captioner": captioner, "machine_choices": {},
        **{f"{name}_{kind}": Machinery() for name in (*MODELS, *WORDS) for kind in ("stream", "checkpoints")},
    }  # fmt: skip
    outputs = [
        f"{name}{kind}" for name in (*MODELS, *WORDS) for kind in ("", "_curves", "_figures", "_sheet")
    ]
    catalog = DataCatalog(
        {name: Kept(value, copy_mode="assign") for name, value in entries.items()}
        | {name: Kept(copy_mode="assign") for name in outputs}
    )
    logging.getLogger("kedro").setLevel(logging.WARNING)
    SequentialRunner().run(create_pipeline(), catalog)
    return catalog


@pytest.mark.parametrize("name", [*MODELS, *WORDS])
def test_each_training_gives_curves_figures_and_a_sheet(catalog, name):
    curves, figures, sheet = (catalog.load(f"{name}_{kind}") for kind in ("curves", "figures", "sheet"))
    assert curves["images_seen"].tolist() == [8, 16]
    assert figures["images_seen"] == 16 and figures["val_loss_of_1" if name == "words" else "val_psnr"] > 0
    assert sheet.dtype == np.uint8 and sheet.ndim == 3


@torch.no_grad()
def test_the_vae_can_be_rebuilt_and_reconstructs(catalog, pictures):
    bundle = catalog.load("vae")
    assert bundle.config["kind"] == "vae" and bundle.config["image_size"] == SIZE and bundle.tokenizer is None
    vae = load_network(bundle)
    images = torch.from_numpy(pictures.val.images).permute(0, 3, 1, 2).float() / 127.5 - 1
    error = (vae.decoder(vae.encoder(images)[0]).clamp(-1, 1) - images).square().mean((1, 2, 3)) / 4
    psnr = float(-10 * error.log10().mean())
    assert psnr == pytest.approx(catalog.load("vae_figures")["val_psnr"], abs=0.01)


@pytest.mark.parametrize("name", ["prior", "gan"])
@torch.no_grad()
def test_text_to_image_models_can_be_rebuilt_and_draw_the_same(catalog, pictures, contrastive_pair, name):
    bundle = catalog.load(name)
    assert bundle.config["kind"] == "text_to_image"
    assert bundle.tokenizer == contrastive_pair.tokenizer
    expected = {
        "image_size": SIZE, "max_tokens": MAX_TOKENS, "noise_width": 3,
        "known_words": contrastive_pair.config["known_words"],
    }  # fmt: skip
    assert {key: bundle.config[key] for key in expected} == expected
    assert bundle.card["data_digest"] == "0123"

    # The stage's own sheet again, from the bundle alone: captioned validation pictures above drawings
    model, sheet = load_network(bundle), catalog.load(f"{name}_sheet")
    assert isinstance(model, TextToImage)
    chosen = pictures.val.captions["caption"].notna().to_numpy()
    tokenizer = Tokenizer.from_str(bundle.tokenizer)
    ids = torch.from_numpy(encode(tokenizer, pictures.val.captions["caption"][chosen].tolist(), MAX_TOKENS))
    torch.manual_seed(RUN.seed)
    drawn = to_uint8(model(ids, torch.randn(len(ids), 3)))
    pairs = [pair_on(sheet, number, len(ids), SIZE) for number in range(len(ids))]
    real, shown = (np.stack(side) for side in zip(*pairs, strict=True))
    assert np.array_equal(real, pictures.val.images[chosen])
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


def test_a_gan_from_scratch_forgets_the_regression(catalog, pictures, contrastive_pair):
    scratch = GAN.model_copy(
        update={
            "start": "scratch",
            "size": "tiny",
            "training": GAN.training.model_copy(update={"learning_rate": 1e-9}),
        }
    )
    run = RUN.model_copy(update={"seed": 4})  # the prior's seed would give the prior's first weights
    bundle, *_ = train_gan(
        scratch, ONE, OFF, False, run, pictures, pictures.train.captions, contrastive_pair,
        catalog.load("prior"), {}, Machinery(), Machinery(),
    )  # fmt: skip
    model, prior = load_network(bundle), load_network(catalog.load("prior"))
    assert isinstance(model.decoder, UpsamplingDecoder)
    assert model.prior.noise_width == bundle.config["noise_width"] == OWN.noise_width
    assert not torch.allclose(model.prior.cells, prior.prior.cells, atol=1e-3)
    ids = torch.tensor([[5, 6, 1]])
    assert model(ids, torch.zeros(1, OWN.noise_width)).shape == (1, 3, SIZE, SIZE)


def test_a_gan_with_a_decoder_of_its_own_keeps_the_prior(catalog, pictures, contrastive_pair):
    parameters = GAN.model_copy(
        update={"start": "upsampling", "size": "tiny", "teaching": 0.5, "head_start": 0.4}
    )
    trained = catalog.load("prior")
    bundle, curves, *_ = train_gan(
        parameters, ONE, OFF, False, RUN, pictures, pictures.train.captions, contrastive_pair, trained, {},
        Machinery(), Machinery(),
    )  # fmt: skip
    assert "teaching_loss" in curves.columns
    model, prior = load_network(bundle), load_network(trained)
    assert isinstance(model.decoder, UpsamplingDecoder)
    assert model.prior.noise_width == bundle.config["noise_width"] == prior.prior.noise_width
    # Sixteen pictures in batches of eight: taught in the first, the discriminator alone in the second
    assert torch.equal(model.prior.cells, prior.prior.cells)


def test_a_training_in_two_processes_gives_the_same_pictures(catalog, pictures, contrastive_pair, captioner):
    bundle, curves, _, sheet = train_prior(
        PRIOR, TWO, OFF, False, RUN.model_copy(update={"threads": 2}), pictures, pictures.train.captions,
        contrastive_pair, captioner, catalog.load("vae"), {}, Machinery(), Machinery(),
    )  # fmt: skip
    assert bundle.config == catalog.load("prior").config
    one = catalog.load("prior_curves").drop(columns="seconds")
    assert np.allclose(curves.drop(columns="seconds"), one, rtol=1e-3)
    assert np.abs(sheet.astype(int) - catalog.load("prior_sheet")).max() <= 2


def test_steered_trainings_say_what_steered_them(catalog, pictures, contrastive_pair, captioner):
    texts = pictures.train.captions
    _, curves, *_ = train_prior(
        PRIOR, ONE, ON, False, RUN, pictures, texts, contrastive_pair, captioner, catalog.load("vae"), {},
        Machinery(), Machinery(),
    )  # fmt: skip
    assert {"failing", "rate_factor"} <= set(curves.columns)
    assert not {"failing", "rate_factor"} & set(catalog.load("prior_curves").columns)
    for anchor, told in ((20.0, {"val_psnr"}), (0.0, {"val_psnr", "val_distance"})):
        gan = GAN.model_copy(update={"anchor": anchor})
        _, curves, figures, _ = train_gan(
            gan, ONE, ON, False, RUN, pictures, texts, contrastive_pair, catalog.load("prior"), {},
            Machinery(), Machinery(),
        )  # fmt: skip
        assert {"alignment_factor", "adversarial_factor", *told} <= set(curves.columns)
        assert ("val_distance" in curves) == ("val_distance" in told)
        assert figures["val_objective"] == curves["val_objective"].min()


@pytest.mark.parametrize("asked", [40, 10_000])
def test_a_memory_has_some_features_for_each_wording_at_most(
    catalog, pictures, contrastive_pair, captioner, asked
):
    texts = pictures.train.captions
    bundle, *_ = train_prior(
        PRIOR.model_copy(update={"memory": asked}), ONE, OFF, False, RUN, pictures, texts, contrastive_pair,
        captioner, catalog.load("vae"), {}, Machinery(), Machinery(),
    )  # fmt: skip
    n_wordings = len(texts) + texts["paraphrases"].map(len).sum()
    assert bundle.config["network"]["prior"]["memory"] == min(asked, FEATURES_PER_WORDING * n_wordings)


def test_another_tokenizer_of_the_captioner_is_told(catalog, pictures, contrastive_pair, captioner):
    other = copy.copy(captioner)
    other.tokenizer = train_tokenizer(["another one"], 270).to_str()
    require_one_tokenizer(contrastive_pair, captioner)
    with pytest.raises(LexipixError, match=r"features\.tokenizer equal to captioner\.language_model\.path"):
        train_prior(
            PRIOR, ONE, OFF, False, RUN, pictures, pictures.train.captions, contrastive_pair, other,
            catalog.load("vae"), {}, Machinery(), Machinery(),
        )  # fmt: skip


def test_the_writer_starts_from_what_the_captioner_knows(catalog, pictures, contrastive_pair, captioner):
    parameters = WRITER.model_copy(
        update={"adversarial": 0.0, "training": WRITER.training.model_copy(update={"learning_rate": 1e-9})}
    )
    bundle, *_ = train_words(
        True, parameters, GAN, ONE, False, RUN, pictures, pictures.train.captions, contrastive_pair,
        captioner, catalog.load("prior"), catalog.load("image_tokenizer"), {}, Machinery(), Machinery(),
    )  # fmt: skip
    vocabulary, found = captioner.config["network"]["language_model"]["vocab_size"], 0
    for name, weight in captioner.weights.items():
        part = name.removeprefix("language_model.transformer.")
        new = bundle.weights.get(f"writer.language_model.transformer.{part}")
        if new is not None and part != name:
            rows = {"wte.weight": vocabulary, "wpe.weight": MAX_TOKENS}.get(part, len(weight))
            assert torch.allclose(new[:rows], weight[:rows], atol=1e-5), name
            found += 1
    assert found == 2 + 2 * 12 + 2  # tokens and positions, two layers without their look at pictures, a norm
    assert bundle.config["network"]["writer"]["language_model"]["vocab_size"] == vocabulary + 24 + 9 + 2


def test_a_writer_without_a_sketch_needs_no_prior(catalog, pictures, contrastive_pair, captioner):
    alone = train_words(
        True, WRITER.model_copy(update={"sketch": False}), GAN, ONE, False, RUN, pictures,
        pictures.train.captions, contrastive_pair, captioner, catalog.load("prior"),
        catalog.load("image_tokenizer"), {}, Machinery(), Machinery(),
    )[0]  # fmt: skip
    sketched = catalog.load("words").weights
    assert alone.config["network"]["sketch"] is None
    assert {name for name in sketched if "sketch" in name} == sketched.keys() - alone.weights.keys() != set()


@torch.no_grad()
def test_words_can_be_written_by_the_bundle_alone(catalog):
    bundle, words = catalog.load("words"), catalog.load("image_tokenizer")
    assert bundle.config["kind"] == "tokens_to_image" and bundle.config["max_tokens"] == MAX_TOKENS
    model = load_network(bundle)
    assert isinstance(model, TokensToImage) and model.noise_width == bundle.config["noise_width"]
    for name, weight in words.weights.items():
        assert torch.equal(bundle.weights[f"image_tokenizer.{name}"], weight), name
    for name, weight in catalog.load("prior").weights.items():
        if name.startswith("prior."):
            assert torch.equal(bundle.weights[f"sketch.{name}"], weight), name
    assert model(torch.tensor([[5, 6, 1]]), torch.zeros(1, model.noise_width)).shape == (1, 3, SIZE, SIZE)


def test_a_captioner_of_another_width_only_lends_its_tokenizer(
    catalog, pictures, contrastive_pair, captioner
):
    parameters = WRITER.model_copy(update={"width": 32, "depth": 1})
    bundle, *_ = train_words(
        True, parameters, GAN, ONE, False, RUN, pictures, pictures.train.captions, contrastive_pair,
        captioner, catalog.load("prior"), catalog.load("image_tokenizer"), {}, Machinery(), Machinery(),
    )  # fmt: skip
    assert bundle.config["network"]["writer"]["language_model"]["n_embd"] == 32
    assert bundle.tokenizer == captioner.tokenizer


def test_words_can_be_left_out(catalog, pictures, contrastive_pair, captioner):
    nothing = Machinery()
    words, curves, figures, sheet = train_visual_words(
        False, VISUAL_WORDS, ONE, RUN, pictures, {}, nothing, nothing
    )
    assert is_skipped(words) and len(curves) == 0 and figures == {} and sheet.ndim == 3
    models = contrastive_pair, captioner, catalog.load("prior"), words
    rest = GAN, ONE, False, RUN, pictures, pictures.train.captions, *models, {}, nothing, nothing
    assert is_skipped(train_words(False, WRITER, *rest)[0])
    with pytest.raises(LexipixError, match=r"--tags image_tokenizer` with generator\.words\.enabled = true"):
        train_words(True, WRITER, *rest)


def test_more_levels_than_a_cell_has_numbers_are_told(pictures):
    parameters = VISUAL_WORDS.model_copy(update={"levels": ((4, 3, 2), (2,) * 10)})
    with pytest.raises(
        LexipixError, match="makes 13 numbers of a cell, and a cell of pictures of 16 pixels has only 12"
    ):
        train_visual_words(True, parameters, ONE, RUN, pictures, {}, Machinery(), Machinery())

"""What each training of the stage is made of; every process of a training makes it for itself."""

from typing import Any

import pandas as pd

from lexipix.config.generator import (
    GENERATOR_SIZES,
    GANParameters,
    LoopParameters,
    PriorParameters,
    VAEParameters,
)
from lexipix.config.run import RunParameters
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.discriminator import Discriminator
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import VAE, Decoder
from lexipix.training.builders.common import Made, captions_for
from lexipix.training.bundles import load_network
from lexipix.training.feedback import ValidationFeedback
from lexipix.training.parallel import Share
from lexipix.training.precision import resolve_device
from lexipix.training.random_features import FEATURES_PER_WORDING
from lexipix.training.tasks.gan import GANTask
from lexipix.training.tasks.pretrained_gan import TaughtGANTask
from lexipix.training.tasks.prior import PriorTask
from lexipix.training.tasks.vae import VAETask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits, ModelBundle


def make_vae(share: Share, run: RunParameters, parameters: VAEParameters, pictures: ImageSplits) -> Made:
    """The autoencoder on all training pictures, captioned or not."""
    validation = pictures.val.images if len(pictures.val.images) else pictures.train.images
    network = {
        "image_size": int(pictures.train.images.shape[1]),
        "latent_channels": parameters.latent_channels,
        "width": parameters.width,
        "depth": parameters.depth,
    }
    with seeded(run.seed):
        vae = VAE(**network)
    task = VAETask(
        vae,
        pictures.train.images,
        validation,
        learning_rate=parameters.training.learning_rate,
        decoder_variance=parameters.decoder_variance,
        structure_weight=parameters.structure_weight,
        device=resolve_device(run),
        share=share,
    )
    return Made(task, vae, network)


def make_prior(
    share: Share,
    run: RunParameters,
    parameters: PriorParameters,
    loop: LoopParameters,
    flip: bool,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    vae: ModelBundle,
) -> Made:
    """A new prior between the captioner's language model and the VAE's decoder."""
    pair, writer, autoencoder = (load_network(bundle) for bundle in (contrastive_pair, captioner, vae))
    assert (
        isinstance(pair, ContrastivePair) and isinstance(writer, Captioner) and isinstance(autoencoder, VAE)
    )
    captions = captions_for(pictures, captions_complete, contrastive_pair, pair, run)
    language_model = captioner.config["network"]["language_model"]
    prior_config = {
        "text_width": writer.language_model.config.get_text_config().hidden_size + pair.text_encoder.width,
        "embed_dim": pair.text_encoder.project.out_features,
        "latent_channels": vae.config["network"]["latent_channels"],
        "width": parameters.width,
        "depth": parameters.depth,
        "noise_width": parameters.noise_width,
        "memory": min(parameters.memory, FEATURES_PER_WORDING * captions.rows.n_wordings),
    }
    network = {
        "language_model": language_model,
        "text_encoder": contrastive_pair.config["network"]["text_encoder"],
        "prior": prior_config,
        "decoder": vae.config["network"],
        "pad_id": captioner.config["network"]["pad_id"],
    }
    with seeded(run.seed):
        prior = TextPrior(**prior_config)
    model = TextToImage(
        writer.language_model, pair.text_encoder, prior, autoencoder.decoder, network["pad_id"]
    )
    task = PriorTask(
        model,
        autoencoder.encoder,
        captions.images,
        captions.rows,
        captions.validation,
        learning_rate=parameters.training.learning_rate,
        noises=parameters.noises,
        canonical_share=parameters.canonical_share,
        flip=flip,
        device=resolve_device(run),
        share=share,
    )
    if loop.enabled:
        task.steering = ValidationFeedback(loop, captions.rows, captions.validation)
    return Made(task, model, network)


def discriminator_for(pair: ContrastivePair, parameters: GANParameters) -> Discriminator:
    """A new discriminator that looks through the features stage's CNN."""
    encoder, embed_dim = pair.image_encoder, pair.text_encoder.project.out_features
    return Discriminator(encoder, encoder.map_channels, embed_dim, parameters.discriminator_width)


def adversarial_settings(parameters: GANParameters) -> dict[str, Any]:
    """Losses of the GAN and of the discriminator, as :class:`GANTask` takes them."""
    names = (
        "adversary", "discriminator_learning_rate", "penalty", "alignment", "adversarial", "anchor",
        "anchor_cell", "head_start", "structure_weight", "variety", "augmentations",
    )  # fmt: skip
    return {name: getattr(parameters, name) for name in names}


def make_gan(
    share: Share,
    run: RunParameters,
    parameters: GANParameters,
    loop: LoopParameters,
    flip: bool,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    prior: ModelBundle,
) -> Made:
    """The trained prior's model, or part of it, against a new discriminator."""
    pair, model = load_network(contrastive_pair), load_network(prior)
    assert isinstance(pair, ContrastivePair) and isinstance(model, TextToImage)
    network = dict(prior.config["network"])
    device = resolve_device(run)  # first of all: the random rotations depend on the number of threads
    own, teacher = GENERATOR_SIZES[parameters.size], None
    with seeded(run.seed):
        if parameters.start == "scratch":
            network["prior"] = {
                **network["prior"], **own._asdict(), "latent_channels": own.width, "memory": 0,
            }  # fmt: skip
            model.prior = TextPrior(**network["prior"])
        if parameters.start == "upsampling":
            assert isinstance(model.decoder, Decoder)
            teacher = model.decoder
        if parameters.start != "regression":
            network["decoder"] = {
                "image_size": prior.config["image_size"],
                "latent_channels": network["prior"]["latent_channels"],
                "width": own.width,
            }
            model.decoder = UpsamplingDecoder(**network["decoder"])
        discriminator = discriminator_for(pair, parameters)
    captions = captions_for(pictures, captions_complete, contrastive_pair, pair, run)
    settings = {
        **adversarial_settings(parameters),
        "learning_rate": parameters.training.learning_rate,
        "canonical_share": parameters.canonical_share,
        "flip": flip,
        "device": device,
        "share": share,
    }
    given = (discriminator, captions.images, captions.rows, captions.groups, captions.validation)
    if teacher is None:
        task = GANTask(model, *given, **settings)
    else:
        task = TaughtGANTask(model, teacher, *given, teaching=parameters.teaching, **settings)
    if loop.enabled:
        task.steering = ValidationFeedback(
            loop,
            captions.rows,
            captions.validation,
            weights={"alignment": parameters.alignment, "adversarial": parameters.adversarial},
            faithful=parameters.anchor > 0 and parameters.anchor_cell == 1,
        )
    return Made(task, model, network)

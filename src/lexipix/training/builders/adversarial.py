"""The discriminator and the hyperparameters that the GAN and the token generator share."""

from typing import Any

from lexipix.config.generator import GANParameters
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.discriminator import Discriminator
from lexipix.training.tasks.gan_hyperparameters import GANHyperparameters

SHARED = (
    "gan_loss", "discriminator_learning_rate", "adversarial_weight", "pixel_weight", "pixel_pool",
    "ssim_weight", "contrastive_weight", "energy_weight", "gp_weight", "r1_gamma", "discriminator_warmup",
    "augmentations",
)  # fmt: skip


def build_discriminator(pair: ContrastivePair, parameters: GANParameters) -> Discriminator:
    """Return a new discriminator on the frozen image encoder of the features stage."""
    encoder, embed_dim = pair.image_encoder, pair.text_encoder.project.out_features
    return Discriminator(encoder, encoder.map_channels, embed_dim, parameters.discriminator_width)


def gan_hyperparameters(parameters: GANParameters, **own: Any) -> GANHyperparameters:
    """Return the hyperparameters of ``generator.gan``, with those of a training's own added."""
    shared = {name: getattr(parameters, name) for name in SHARED}
    return GANHyperparameters(**shared, learning_rate=parameters.training.learning_rate, **own)

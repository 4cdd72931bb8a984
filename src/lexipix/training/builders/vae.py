"""The training of the VAE that the parameters describe."""

import logging

from lexipix.config.generator import VAEParameters
from lexipix.config.run import RunParameters
from lexipix.models.vae import GRID, VAE, find_latent_channels
from lexipix.training.builders.common import TrainingSetup, image_shape, pca_sample
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.vae import VAETask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits

logger = logging.getLogger(__name__)


def build_vae(run: RunParameters, parameters: VAEParameters, image_splits: ImageSplits) -> TrainingSetup:
    """Return a VAE on all training images, with captions or without, and its training."""
    images = image_splits.train.images
    validation = image_splits.val.images if len(image_splits.val.images) else images
    shape = image_shape(image_splits)
    sample = pca_sample(images)
    patch, channels = parameters.patch or shape["image_size"] // GRID, parameters.latent_channels
    if channels is None:
        channels = find_latent_channels(sample, patch)
        logger.info("vae: latents of %s numbers for each %sx%s pixels", channels, patch, patch)
    config = {
        "patch": patch,
        "latent_channels": channels,
        "width": parameters.width,
        "depth": parameters.depth,
        "image_channels": shape["image_channels"],
    }
    with seeded(run.seed):
        vae = VAE(**config)
    vae.init_from_pca(sample)
    task = VAETask(vae, images, validation, parameters, resolve_device(run))
    return TrainingSetup(task, vae, config, parameters, bundle=shape)

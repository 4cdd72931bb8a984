"""The training of the VAE that the parameters describe."""

from lexipix.config.generator import VAEParameters
from lexipix.config.run import RunParameters
from lexipix.models.vae import VAE
from lexipix.training.builders.common import TrainingSetup
from lexipix.training.builders.pca import pca_sample
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.vae import VAETask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits


def build_vae(run: RunParameters, parameters: VAEParameters, pictures: ImageSplits) -> TrainingSetup:
    """Return a VAE on all training images, with captions or without, and its training."""
    validation = pictures.val.images if len(pictures.val.images) else pictures.train.images
    network = {
        "image_size": int(pictures.train.images.shape[1]),
        "latent_channels": parameters.latent_channels,
        "width": parameters.width,
        "depth": parameters.depth,
    }
    with seeded(run.seed):
        vae = VAE(**network)
    vae.init_from_pca(pca_sample(pictures.train.images))
    task = VAETask(
        vae,
        pictures.train.images,
        validation,
        learning_rate=parameters.training.learning_rate,
        decoder_variance=parameters.decoder_variance,
        ssim_weight=parameters.ssim_weight,
        device=resolve_device(run),
        gradient_accumulation_steps=parameters.training.gradient_accumulation_steps,
    )
    return TrainingSetup(task, vae, network)

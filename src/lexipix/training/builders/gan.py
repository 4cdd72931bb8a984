"""The training of the GAN that the parameters describe."""

from typing import Any

from lexipix.config.generator import GENERATOR_SIZES, FeedbackParameters, GANParameters
from lexipix.config.run import RunParameters
from lexipix.models.discriminator import Discriminator
from lexipix.models.retrieval_to_image import RetrievalToImage
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import Decoder
from lexipix.training.builders.captions import text_bundle
from lexipix.training.builders.common import TrainingSetup
from lexipix.training.bundles import load_network
from lexipix.training.feedback import ValidationFeedback
from lexipix.training.generator_validation import GeneratorData
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.gan import GANHyperparameters, GANTask, PretrainedGANTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ModelBundle


def build_gan(
    run: RunParameters,
    parameters: GANParameters,
    feedback: FeedbackParameters,
    flip: bool,
    data: GeneratorData,
    contrastive_pair: ModelBundle,
    prior: ModelBundle,
) -> TrainingSetup:
    """Return the trained prior's model, or part of it, and its training against a new discriminator."""
    model = load_network(prior, TextToImage, RetrievalToImage)
    encoder = data.validation.encoder
    network = dict(prior.config["network"])
    resolve_device(run)  # before the networks: random rotations depend on the number of threads
    with seeded(run.seed):
        # The configuration rules out other starts for a model that retrieves
        teacher = _new_parts(model, network, parameters, prior) if isinstance(model, TextToImage) else None
        discriminator = Discriminator(
            encoder,
            encoder.project.out_features,
            parameters.discriminator_width,
            prior.config["image_channels"],
        )
    hyperparameters = GANHyperparameters(
        parameters,
        pretrain_fraction=0.0 if teacher is None else parameters.pretrain_fraction,
        primary_caption_prob=parameters.primary_caption_prob,
        flip=flip,
        gradient_accumulation_steps=parameters.training.gradient_accumulation_steps,
        new_generator=parameters.start == "scratch",
    )
    task: GANTask
    if isinstance(model, TextToImage) and teacher is not None:
        task = PretrainedGANTask(model, teacher, discriminator, data, hyperparameters)
    else:
        task = GANTask(model, discriminator, data, hyperparameters)
    if feedback.enabled and parameters.pixel_weight > 0 and parameters.pixel_pool == 1:
        task.feedback = ValidationFeedback(feedback, data.captions, data.validation)
    inputs = feedback, flip, contrastive_pair, prior
    bundle = text_bundle(contrastive_pair, model.noise_dim)
    return TrainingSetup(task, model, network, parameters, inputs, bundle)


def _new_parts(
    model: TextToImage, network: dict[str, Any], parameters: GANParameters, prior: ModelBundle
) -> Decoder | None:
    """Give a model the new parts that ``start`` asks for, also in ``network``.

    Returns:
        The former decoder, from which a new one learns first; None without that.
    """
    former, size = model.decoder, GENERATOR_SIZES[parameters.size]
    if parameters.start == "scratch":
        network["prior"] = {**network["prior"], **size._asdict(), "latent_channels": size.width}
        model.prior = TextPrior(**network["prior"])
    if parameters.start != "regression":
        network["decoder"] = {
            "image_size": prior.config["image_size"],
            "latent_channels": network["prior"]["latent_channels"],
            "width": size.width,
            "image_channels": prior.config["image_channels"],
        }
        model.decoder = UpsamplingDecoder(**network["decoder"])
    if parameters.start != "upsampling":
        return None
    assert isinstance(former, Decoder)
    return former

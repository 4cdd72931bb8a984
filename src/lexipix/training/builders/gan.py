"""The training of the GAN that the parameters describe."""

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
    network, image_size = dict(prior.config["network"]), prior.config["image_size"]
    resolve_device(run)  # before the networks: random rotations depend on the number of threads
    teacher = model.decoder if isinstance(model, TextToImage) else None
    with seeded(run.seed):
        if parameters.start == "scratch" and isinstance(model, TextToImage):
            size = GENERATOR_SIZES[parameters.size]
            network["prior"] = {**network["prior"], **size._asdict(), "latent_channels": size.width}
            model.prior = TextPrior(**network["prior"])
        if parameters.start != "regression" and isinstance(model, TextToImage):
            network["decoder"] = {
                "image_size": image_size,
                "latent_channels": network["prior"]["latent_channels"],
                "width": GENERATOR_SIZES[parameters.size].width,
                "image_channels": prior.config["image_channels"],
            }
            model.decoder = UpsamplingDecoder(**network["decoder"])
        discriminator = Discriminator(
            encoder,
            encoder.project.out_features,
            parameters.discriminator_width,
            prior.config["image_channels"],
        )
    pretrains = parameters.start == "upsampling"
    hyperparameters = GANHyperparameters(
        parameters,
        pretrain_fraction=parameters.pretrain_fraction if pretrains else 0.0,
        primary_caption_prob=parameters.primary_caption_prob,
        flip=flip,
        gradient_accumulation_steps=parameters.training.gradient_accumulation_steps,
    )
    task: GANTask
    if pretrains:
        assert isinstance(model, TextToImage) and isinstance(teacher, Decoder)
        task = PretrainedGANTask(model, teacher, discriminator, data, hyperparameters)
    else:
        task = GANTask(model, discriminator, data, hyperparameters)
    if feedback.enabled and parameters.pixel_weight > 0 and parameters.pixel_pool == 1:
        task.feedback = ValidationFeedback(feedback, data.captions, data.validation)
    inputs = feedback, flip, contrastive_pair, prior
    bundle = text_bundle(contrastive_pair, model.noise_dim)
    return TrainingSetup(task, model, network, parameters, inputs, bundle)

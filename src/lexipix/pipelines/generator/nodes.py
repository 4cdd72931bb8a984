"""Nodes of the generator stage: five trainings.

Each returns the model, the curves and metrics of its training, and a sample grid.
"""

import pandas as pd

from lexipix.config.generator import FeedbackParameters, GANParameters, PriorParameters, VAEParameters
from lexipix.config.run import RunParameters
from lexipix.config.tokens import ImageTokenizerParameters, TokenTransformerParameters
from lexipix.training.builders.captions import require_one_tokenizer, text_config
from lexipix.training.builders.common import Outputs, outputs, skipped_outputs
from lexipix.training.builders.gan import build_gan
from lexipix.training.builders.image_tokenizer import build_image_tokenizer
from lexipix.training.builders.prior import build_prior
from lexipix.training.builders.token_generator import build_token_generator
from lexipix.training.builders.vae import build_vae
from lexipix.training.bundles import fingerprint
from lexipix.training.loop import train
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

TOKENS_KEY = "generator.tokens.enabled"


def train_vae(
    parameters: VAEParameters,
    run: RunParameters,
    pictures: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the VAE on all training images, with captions or without."""
    setup = build_vae(run, parameters, pictures)
    result = train(
        setup.task,
        parameters.training,
        run,
        name="vae",
        key="generator.vae.training",
        fingerprint=fingerprint(parameters, run, pictures.digest),
        stream=stream,
        checkpoints=checkpoints,
    )
    return outputs("vae", setup, result, parameters, pictures.digest, image_size=setup.config["image_size"])


def train_prior(
    parameters: PriorParameters,
    feedback: FeedbackParameters,
    flip: bool,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    vae: ModelBundle,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the prior from the captioner's encoding of a caption to a latent of the VAE.

    The model is the whole text-to-image model: language model, text encoder, prior, decoder.
    """
    require_one_tokenizer(contrastive_pair, captioner)
    models = (contrastive_pair, captioner, vae)
    setup = build_prior(run, parameters, feedback, flip, pictures, captions_complete, *models)
    result = train(
        setup.task,
        parameters.training,
        run,
        name="prior",
        key="generator.prior.training",
        fingerprint=fingerprint(parameters, feedback, flip, run, pictures.digest, *models),
        stream=stream,
        checkpoints=checkpoints,
    )
    text = {**text_config(contrastive_pair), "noise_dim": parameters.noise_dim}
    return outputs("text_to_image", setup, result, parameters, pictures.digest, **text)


def train_gan(
    parameters: GANParameters,
    feedback: FeedbackParameters,
    flip: bool,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    prior: ModelBundle,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train a text-to-image model against a discriminator on the image encoder of the features stage."""
    models = (contrastive_pair, prior)
    setup = build_gan(run, parameters, feedback, flip, pictures, captions_complete, *models)
    result = train(
        setup.task,
        parameters.training,
        run,
        name="gan",
        key="generator.gan.training",
        fingerprint=fingerprint(parameters, feedback, flip, run, pictures.digest, *models),
        stream=stream,
        checkpoints=checkpoints,
    )
    text = {**text_config(contrastive_pair), "noise_dim": setup.config["prior"]["noise_dim"]}
    return outputs("text_to_image", setup, result, parameters, pictures.digest, **text)


def train_image_tokenizer(
    enabled: bool,
    parameters: ImageTokenizerParameters,
    run: RunParameters,
    pictures: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the image tokenizer on all training images, with captions or without; skipped if disabled."""
    if not enabled:
        return skipped_outputs(TOKENS_KEY)
    setup = build_image_tokenizer(run, parameters, pictures)
    result = train(
        setup.task,
        parameters.training,
        run,
        name="image_tokenizer",
        key="generator.tokens.tokenizer.training",
        fingerprint=fingerprint("image_tokenizer", parameters, run, pictures.digest),
        stream=stream,
        checkpoints=checkpoints,
    )
    size = setup.config["image_size"]
    return outputs("image_tokenizer", setup, result, parameters, pictures.digest, image_size=size)


def train_token_generator(
    enabled: bool,
    parameters: TokenTransformerParameters,
    gan: GANParameters,
    flip: bool,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    prior: ModelBundle,
    image_tokenizer: ModelBundle,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the captioner's language model to generate image tokens; skipped if disabled.

    The model is whole: text encoder, language model, image tokenizer, and the prior where it gives hints.
    """
    if not enabled:
        return skipped_outputs(TOKENS_KEY)
    require_one_tokenizer(contrastive_pair, captioner)
    models = (contrastive_pair, captioner, prior, image_tokenizer)
    setup = build_token_generator(run, parameters, gan, flip, pictures, captions_complete, *models)
    result = train(
        setup.task,
        parameters.training,
        run,
        name="tokens",
        key="generator.tokens.transformer.training",
        fingerprint=fingerprint("tokens", parameters, gan, flip, run, pictures.digest, *models),
        stream=stream,
        checkpoints=checkpoints,
    )
    text = {**text_config(contrastive_pair), "noise_dim": setup.network.noise_dim}
    return outputs("tokens_to_image", setup, result, parameters, pictures.digest, **text)

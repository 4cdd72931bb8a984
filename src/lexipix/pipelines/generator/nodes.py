"""Nodes of the generator stage: each returns a model, the curves and metrics of its training, and samples."""

from functools import partial

import pandas as pd

from lexipix.config.generator import FeedbackParameters, GANParameters, PriorParameters, VAEParameters
from lexipix.config.run import RunParameters
from lexipix.config.tokens import ImageTokenizerParameters, TokenTransformerParameters
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.training.builders.captions import build_conditional
from lexipix.training.builders.common import Outputs, TrainingJob, run_training, skipped_outputs
from lexipix.training.builders.gan import build_gan
from lexipix.training.builders.image_tokenizer import build_image_tokenizer
from lexipix.training.builders.prior import build_prior
from lexipix.training.builders.token_generator import build_token_generator
from lexipix.training.builders.vae import build_vae
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

TOKENS_KEY = "generator.tokens.enabled"


def train_vae(
    parameters: VAEParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Outputs:
    """Train the VAE on all training images, with captions or without."""
    build = partial(build_vae, run, parameters, image_splits)
    job = TrainingJob("vae", "generator.vae", build, parameters.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)


def train_prior(
    parameters: PriorParameters,
    feedback: FeedbackParameters,
    flip: bool,
    run: RunParameters,
    image_splits: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    vae: ModelBundle,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Outputs:
    """Train the prior from the captioner's encoding of a caption to a latent of the VAE.

    The model is the whole text-to-image model: language model, text encoder, prior, decoder.
    """
    data = image_splits, captions_complete, contrastive_pair, run
    captioned = partial(build_conditional, build_prior, *data, captioner=captioner, vae=vae)
    build = partial(captioned, parameters=parameters, feedback=feedback, flip=flip)
    job = TrainingJob("prior", "generator.prior", build, parameters.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)


def train_gan(
    parameters: GANParameters,
    feedback: FeedbackParameters,
    flip: bool,
    run: RunParameters,
    image_splits: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    prior: ModelBundle,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Outputs:
    """Train a text-to-image model against a discriminator on the image encoder of the features stage."""
    data = image_splits, captions_complete, contrastive_pair, run
    captioned = partial(build_conditional, build_gan, *data, prior=prior)
    build = partial(captioned, parameters=parameters, feedback=feedback, flip=flip)
    job = TrainingJob("gan", "generator.gan", build, parameters.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)


def train_image_tokenizer(
    enabled: bool,
    parameters: ImageTokenizerParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Outputs:
    """Train the image tokenizer on all training images, with captions or without; skipped if disabled."""
    if not enabled:
        return skipped_outputs(TOKENS_KEY)
    build, key = partial(build_image_tokenizer, run, parameters, image_splits), "generator.tokens.tokenizer"
    job = TrainingJob("image_tokenizer", key, build, parameters.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)


def train_token_generator(
    enabled: bool,
    parameters: TokenTransformerParameters,
    gan: GANParameters,
    flip: bool,
    run: RunParameters,
    image_splits: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    prior: ModelBundle,
    image_tokenizer: ModelBundle,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> Outputs:
    """Train the captioner's language model to generate image tokens; skipped if disabled.

    The model is whole: text encoder, language model, image tokenizer, and the prior where it gives hints.
    """
    if not enabled:
        return skipped_outputs(TOKENS_KEY)
    data = image_splits, captions_complete, contrastive_pair, run
    captioned = partial(build_conditional, build_token_generator, *data, captioner=captioner, prior=prior)
    build = partial(captioned, parameters=parameters, gan=gan, flip=flip, image_tokenizer=image_tokenizer)
    key = "generator.tokens.transformer"
    job = TrainingJob("tokens", key, build, parameters.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)

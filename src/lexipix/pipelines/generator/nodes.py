"""Nodes of the generator stage: each returns a model, the curves and metrics of its training, and samples."""

import pandas as pd

from lexipix.config.generator import FeedbackParameters, GANParameters, PriorParameters, VAEParameters
from lexipix.config.run import RunParameters
from lexipix.config.tokens import ImageTokenizerParameters, TokenTransformerParameters
from lexipix.training.builders.captions import generator_data
from lexipix.training.builders.common import Outputs, run_training, skipped_outputs
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
) -> Outputs:
    """Train the VAE on all training images, with captions or without."""
    setup = build_vae(run, parameters, image_splits)
    return run_training("vae", "generator.vae", setup, run, image_splits.digest, stream, checkpoints)


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
) -> Outputs:
    """Train the prior from the captioner's encoding of a caption to a latent of the VAE.

    The model is the whole text-to-image model: language model, text encoder, prior, decoder.
    """
    data = generator_data(image_splits, captions_complete, contrastive_pair, run)
    setup = build_prior(run, parameters, feedback, flip, data, contrastive_pair, captioner, vae)
    return run_training("prior", "generator.prior", setup, run, image_splits.digest, stream, checkpoints)


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
) -> Outputs:
    """Train a text-to-image model against a discriminator on the image encoder of the features stage."""
    data = generator_data(image_splits, captions_complete, contrastive_pair, run)
    setup = build_gan(run, parameters, feedback, flip, data, contrastive_pair, prior)
    return run_training("gan", "generator.gan", setup, run, image_splits.digest, stream, checkpoints)


def train_image_tokenizer(
    enabled: bool,
    parameters: ImageTokenizerParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the image tokenizer on all training images, with captions or without; skipped if disabled."""
    if not enabled:
        return skipped_outputs(TOKENS_KEY)
    setup, key = build_image_tokenizer(run, parameters, image_splits), "generator.tokens.tokenizer"
    return run_training("image_tokenizer", key, setup, run, image_splits.digest, stream, checkpoints)


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
) -> Outputs:
    """Train the captioner's language model to generate image tokens; skipped if disabled.

    The model is whole: text encoder, language model, image tokenizer, and the prior where it gives hints.
    """
    if not enabled:
        return skipped_outputs(TOKENS_KEY)
    data = generator_data(image_splits, captions_complete, contrastive_pair, run)
    models = (contrastive_pair, captioner, prior, image_tokenizer)
    setup = build_token_generator(run, parameters, gan, flip, data, *models)
    key = "generator.tokens.transformer"
    return run_training("tokens", key, setup, run, image_splits.digest, stream, checkpoints)

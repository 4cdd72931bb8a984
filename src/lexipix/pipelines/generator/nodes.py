"""Steps of the generator stage."""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.generator import (
    GANParameters,
    GeneratorLaunchParameters,
    LoopParameters,
    PriorParameters,
    VAEParameters,
)
from lexipix.config.run import RunParameters
from lexipix.config.tokens import VisualWordsParameters, WriterParameters
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.builders.common import finish, leave_out, reads, require_one_tokenizer
from lexipix.training.builders.generators import make_gan, make_prior, make_vae
from lexipix.training.builders.tokens import make_visual_words, make_words
from lexipix.training.bundles import fingerprint
from lexipix.training.launching import train_shared
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle

WORDS_KEY = "generator.words.enabled"
Outputs = tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]


def train_vae(
    parameters: VAEParameters,
    launch: GeneratorLaunchParameters,
    run: RunParameters,
    pictures: ImageSplits,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the autoencoder on all training pictures, captioned or not.

    Returns:
        The VAE, the curves and figures of its training, and a sheet of originals above reconstructions.
    """
    digest = pictures.digest
    made, result = train_shared(
        make_vae,
        (parameters, pictures),
        parameters.training,
        run,
        launch,
        name="vae",
        fingerprint=fingerprint(parameters, run, digest),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    return finish("vae", made, result, parameters, digest, image_size=made.config["image_size"])


def train_prior(
    parameters: PriorParameters,
    launch: GeneratorLaunchParameters,
    loop: LoopParameters,
    flip: bool,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    vae: ModelBundle,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the prior that turns the captioner's reading of a caption into a latent of the VAE.

    Returns:
        The whole text-to-image model (language model, text encoder, prior, decoder), the curves and figures
        of the training, and a sheet of validation pictures above what their captions give.
    """
    require_one_tokenizer(contrastive_pair, captioner)
    digest = pictures.digest
    made, result = train_shared(
        make_prior,
        (parameters, loop, flip, pictures, captions_complete, contrastive_pair, captioner, vae),
        parameters.training,
        run,
        launch,
        name="prior",
        fingerprint=fingerprint(parameters, loop, flip, run, digest, contrastive_pair, captioner, vae),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    reading = {**reads(contrastive_pair), "noise_width": parameters.noise_width}
    return finish("text_to_image", made, result, parameters, digest, **reading)


def train_gan(
    parameters: GANParameters,
    launch: GeneratorLaunchParameters,
    loop: LoopParameters,
    flip: bool,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    prior: ModelBundle,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train a generator against a discriminator on the features stage's CNN.

    Returns:
        The whole text-to-image model, the curves and figures of the training, and a sheet as for the prior.
    """
    digest = pictures.digest
    made, result = train_shared(
        make_gan,
        (parameters, loop, flip, pictures, captions_complete, contrastive_pair, prior),
        parameters.training,
        run,
        launch,
        name="gan",
        fingerprint=fingerprint(parameters, loop, flip, run, digest, contrastive_pair, prior),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    reading = {**reads(contrastive_pair), "noise_width": made.config["prior"]["noise_width"]}
    return finish("text_to_image", made, result, parameters, digest, **reading)


def train_visual_words(
    enabled: bool,
    parameters: VisualWordsParameters,
    launch: GeneratorLaunchParameters,
    run: RunParameters,
    pictures: ImageSplits,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the words that pictures are written in, on all training pictures, captioned or not.

    Returns:
        The visual words, the curves and figures of their training, and a sheet of originals above what their
        words give. Where they are not wanted, stand-ins.
    """
    if not enabled:
        return leave_out(WORDS_KEY)
    digest = pictures.digest
    made, result = train_shared(
        make_visual_words,
        (parameters, pictures),
        parameters.training,
        run,
        launch,
        name="image_tokenizer",
        fingerprint=fingerprint("image_tokenizer", parameters, run, digest),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    return finish("image_tokenizer", made, result, parameters, digest, image_size=made.config["image_size"])


def train_words(
    enabled: bool,
    parameters: WriterParameters,
    gan: GANParameters,
    launch: GeneratorLaunchParameters,
    flip: bool,
    run: RunParameters,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    prior: ModelBundle,
    image_tokenizer: ModelBundle,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the captioner's language model to write visual words from captions.

    Returns:
        The whole model (text encoder, language model, visual words, and what sketches), the curves and
        figures of the training, and a sheet as for the prior. Where it is not wanted, stand-ins.
    """
    if not enabled:
        return leave_out(WORDS_KEY)
    require_one_tokenizer(contrastive_pair, captioner)
    digest, models = pictures.digest, (contrastive_pair, captioner, prior, image_tokenizer)
    made, result = train_shared(
        make_words,
        (parameters, gan, flip, pictures, captions_complete, *models),
        parameters.training,
        run,
        launch,
        name="words",
        fingerprint=fingerprint("words", parameters, gan, flip, run, digest, *models),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    network = made.network
    assert isinstance(network, TokensToImage)
    reading = {**reads(contrastive_pair), "noise_width": network.noise_width}
    return finish("tokens_to_image", made, result, parameters, digest, **reading)

"""Steps of the generator stage."""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.generator import GANParameters, PriorParameters, VAEParameters
from lexipix.config.run import RunParameters
from lexipix.networks.captioner import Captioner
from lexipix.networks.clip import ContrastivePair
from lexipix.networks.discriminator import Discriminator
from lexipix.networks.text_prior import TextPrior
from lexipix.networks.text_to_image import TextToImage
from lexipix.networks.upsampling import UpsamplingDecoder
from lexipix.networks.vae import VAE, Decoder
from lexipix.pipelines.generator.parts import Captions, Trained, captions_for, finish, require_one_tokenizer
from lexipix.records import CheckpointStore, MetricStream, ModelBundle, Pictures
from lexipix.training.bundles import fingerprint, load_network
from lexipix.training.gan import GANTask
from lexipix.training.loop import train
from lexipix.training.machine import resolve_device
from lexipix.training.prior import PriorTask
from lexipix.training.seeding import seeded
from lexipix.training.vae import VAETask

Outputs = tuple[ModelBundle, pd.DataFrame, dict[str, Any], NDArray[np.uint8]]


def train_vae(
    parameters: VAEParameters,
    run: RunParameters,
    pictures: Pictures,
    machine_choices: MutableMapping[str, str],
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Outputs:
    """Train the autoencoder on all training pictures, captioned or not.

    Returns:
        The VAE, the curves and figures of its training, and a sheet of originals above reconstructions.
    """
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
    )
    digest = str(pictures.summary.get("digest", ""))
    result = train(
        task,
        parameters.training,
        run,
        name="vae",
        fingerprint=fingerprint(parameters, run, digest),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    return finish(
        Trained("vae", vae, network, result, parameters), task, digest, image_size=network["image_size"]
    )


def train_prior(
    parameters: PriorParameters,
    flip: bool,
    run: RunParameters,
    pictures: Pictures,
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
    pair, writer, autoencoder = (load_network(bundle) for bundle in (contrastive_pair, captioner, vae))
    assert (
        isinstance(pair, ContrastivePair) and isinstance(writer, Captioner) and isinstance(autoencoder, VAE)
    )
    language_model = captioner.config["network"]["language_model"]
    prior_config = {
        "text_width": writer.language_model.config.get_text_config().hidden_size + pair.text_encoder.width,
        "vector_width": pair.text_encoder.project.out_features,
        "latent_channels": vae.config["network"]["latent_channels"],
        "width": parameters.width,
        "depth": parameters.depth,
        "noise_width": parameters.noise_width,
        "memory": parameters.memory,
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
    captions = captions_for(pictures, captions_complete, contrastive_pair, pair, run)
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
    )
    result = train(
        task,
        parameters.training,
        run,
        name="prior",
        fingerprint=fingerprint(parameters, flip, run, captions.digest, contrastive_pair, captioner, vae),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    trained = Trained("text_to_image", model, network, result, parameters)
    return finish(
        trained, task, captions.digest, **_reads(contrastive_pair), noise_width=parameters.noise_width
    )


def train_gan(
    parameters: GANParameters,
    flip: bool,
    run: RunParameters,
    pictures: Pictures,
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
    pair, model = load_network(contrastive_pair), load_network(prior)
    assert isinstance(pair, ContrastivePair) and isinstance(model, TextToImage)
    network = dict(prior.config["network"])
    device = resolve_device(run)  # first of all: the random rotations depend on the number of threads
    own, teacher = parameters.network, None
    with seeded(run.seed):
        if parameters.start == "scratch":
            network["prior"] = {
                **network["prior"], **own.model_dump(), "latent_channels": own.width, "memory": 0,
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
        discriminator = Discriminator(
            pair.image_encoder,
            pair.image_encoder.map_channels,
            network["prior"]["vector_width"],
            parameters.discriminator_width,
        )
    captions: Captions = captions_for(pictures, captions_complete, contrastive_pair, pair, run)
    task = GANTask(
        model,
        discriminator,
        captions.images,
        captions.rows,
        captions.groups,
        captions.validation,
        adversary=parameters.adversary,
        learning_rate=parameters.training.learning_rate,
        discriminator_learning_rate=parameters.discriminator_learning_rate,
        penalty=parameters.penalty,
        alignment=parameters.alignment,
        adversarial=parameters.adversarial,
        anchor=parameters.anchor,
        anchor_cell=parameters.anchor_cell,
        head_start=parameters.head_start,
        teacher=teacher,
        teaching=parameters.teaching,
        structure_weight=parameters.structure_weight,
        augmentations=parameters.augmentations,
        canonical_share=parameters.canonical_share,
        flip=flip,
        device=device,
    )
    result = train(
        task,
        parameters.training,
        run,
        name="gan",
        fingerprint=fingerprint(parameters, flip, run, captions.digest, contrastive_pair, prior),
        stream=stream,
        checkpoints=checkpoints,
        choices=machine_choices,
    )
    trained = Trained("text_to_image", model, network, result, parameters)
    return finish(
        trained,
        task,
        captions.digest,
        **_reads(contrastive_pair),
        noise_width=network["prior"]["noise_width"],
    )


def _reads(contrastive_pair: ModelBundle) -> dict[str, Any]:
    """What a model that reads captions must remember of how they were read in training."""
    config = contrastive_pair.config
    return {
        "tokenizer": contrastive_pair.tokenizer,
        "max_tokens": config["max_tokens"],
        "image_size": config["image_size"],
        "known_words": config["known_words"],
    }

"""The training of the text prior that the parameters describe."""

import numpy as np

from lexipix.config.generator import FeedbackParameters, PriorParameters
from lexipix.config.run import RunParameters
from lexipix.data.tokenization import word_ids
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.editor import Editor
from lexipix.models.retrieval_to_image import RetrievalToImage, memory_tensors
from lexipix.models.text_encoder import BagOfFeatures
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE
from lexipix.training.builders.captions import shared_text_encoder, text_bundle
from lexipix.training.builders.common import TrainingSetup
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.feedback import ValidationFeedback
from lexipix.training.generator_validation import GeneratorData
from lexipix.training.memory import build_memory
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.editor import EditorTask
from lexipix.training.tasks.prior import PriorTask
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ModelBundle


def build_prior(
    run: RunParameters,
    parameters: PriorParameters,
    feedback: FeedbackParameters,
    flip: bool,
    data: GeneratorData,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    vae: ModelBundle,
) -> TrainingSetup:
    """Return a new prior between the captioner's language model and the VAE's decoder, and its training.

    With neighbors it is an editor of the images that a caption retrieves.
    """
    if parameters.neighbors:
        return _build_editor(run, parameters, flip, data, contrastive_pair)
    text_encoder = shared_text_encoder(contrastive_pair, captioner)
    captions_model, autoencoder = load_network(captioner, Captioner), load_network(vae, VAE)
    resolve_device(run)
    language_model = captions_model.language_model
    prior_config = {
        "text_width": language_model.config.get_text_config().hidden_size + text_encoder.width,
        "embed_dim": text_encoder.project.out_features,
        "latent_channels": vae.config["network"]["latent_channels"],
        "width": parameters.width,
        "depth": parameters.depth,
        "noise_dim": parameters.noise_dim,
    }
    network = {
        "language_model": captioner.config["network"]["language_model"],
        "text_encoder": contrastive_pair.config["network"]["text_encoder"],
        "prior": prior_config,
        "decoder": vae.config["network"],
        "pad_id": captioner.config["network"]["pad_id"],
    }
    with seeded(run.seed):
        prior = TextPrior(**prior_config)
    model = TextToImage(language_model, text_encoder, prior, autoencoder.decoder, network["pad_id"])
    task = PriorTask(model, autoencoder.encoder, data, parameters, flip)
    if feedback.enabled:
        task.feedback = ValidationFeedback(feedback, data.captions, data.validation)
    inputs = feedback, flip, contrastive_pair, captioner, vae
    bundle = text_bundle(contrastive_pair, parameters.noise_dim)
    return TrainingSetup(task, model, network, parameters, inputs, bundle)


def _build_editor(
    run: RunParameters,
    parameters: PriorParameters,
    flip: bool,
    data: GeneratorData,
    contrastive_pair: ModelBundle,
) -> TrainingSetup:
    """Return a memory of the training images with a new editor, and its training."""
    pair = load_network(contrastive_pair, ContrastivePair)
    resolve_device(run)
    if isinstance(pair.text_encoder, BagOfFeatures):
        pair.text_encoder.round_vectors()
    is_word, pad_id = word_ids(tokenizer_of(contrastive_pair)), data.captions.pad_id
    memory, shapes = memory_tensors(build_memory(data, pair, is_word, parameters.max_memory_mb))
    editor = {
        "image_size": contrastive_pair.config["image_size"],
        "image_channels": contrastive_pair.config["image_channels"],
        "vocabulary": int(np.flatnonzero(is_word).max(initial=pad_id)) + 1,
        "pad_id": pad_id,
        "embed_dim": pair.text_encoder.project.out_features,
        "n_neighbors": parameters.neighbors,
        "width": parameters.width,
        "depth": parameters.depth,
    }
    retrieval = {
        "image_size": contrastive_pair.config["image_size"],
        "noise_dim": parameters.noise_dim,
        "temperature": parameters.temperature,
        "min_edge_similarity": parameters.min_edge_similarity,
        "pad_id": pad_id,
    }
    network = {
        "text_encoder": contrastive_pair.config["network"]["text_encoder"],
        "editor": editor,
        "retrieval": retrieval,
        "memory": shapes,
    }
    with seeded(run.seed):
        model = RetrievalToImage(pair.text_encoder, Editor(**editor), memory, **retrieval)
    task = EditorTask(model, data, parameters, flip)
    bundle = text_bundle(contrastive_pair, parameters.noise_dim)
    return TrainingSetup(task, model, network, parameters, (flip, contrastive_pair), bundle)

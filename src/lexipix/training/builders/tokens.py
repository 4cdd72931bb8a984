"""What the trainings of the visual words and of their writer are made of."""

from typing import Any

import pandas as pd
import torch
from transformers import GPT2LMHeadModel

from lexipix.config.generator import GANParameters
from lexipix.config.run import RunParameters
from lexipix.config.tokens import VisualWordsParameters, WriterParameters
from lexipix.models.captioner import Captioner, language_model_from_config, small_gpt2
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.models.text_to_image import TextToImage
from lexipix.models.token_generator import CELLS, TokenGenerator
from lexipix.models.tokens_to_image import Sketch, TokensToImage
from lexipix.training.builders.common import Made, captions_for
from lexipix.training.builders.generators import adversarial_settings, discriminator_for
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.parallel import Share
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.image_tokenizer import ImageTokenizerTask
from lexipix.training.tasks.token_generator import TokenGeneratorTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ImageSplits, ModelBundle


def make_visual_words(
    share: Share, run: RunParameters, parameters: VisualWordsParameters, pictures: ImageSplits
) -> Made:
    """The visual words of all training pictures, captioned or not."""
    validation = pictures.val.images if len(pictures.val.images) else pictures.train.images
    network: dict[str, Any] = {
        "image_size": int(pictures.train.images.shape[1]),
        "levels": [list(group) for group in parameters.levels],
        "width": parameters.width,
        "depth": parameters.depth,
    }
    with seeded(run.seed):
        image_tokenizer = ImageTokenizer(**network)
    n_numbers, n_most = sum(map(len, parameters.levels)), 3 * image_tokenizer.encoder.patch**2
    if n_numbers > n_most:
        raise LexipixError(
            f"generator.words.tokenizer.levels makes {n_numbers} numbers of a cell, and a cell of pictures "
            f"of {network['image_size']} pixels has only {n_most}: list fewer levels."
        )
    task = ImageTokenizerTask(
        image_tokenizer,
        pictures.train.images,
        validation,
        learning_rate=parameters.training.learning_rate,
        cut_share=parameters.cut_share,
        device=resolve_device(run),
        share=share,
    )
    return Made(task, image_tokenizer, network)


def make_words(
    share: Share,
    run: RunParameters,
    parameters: WriterParameters,
    gan: GANParameters,
    flip: bool,
    pictures: ImageSplits,
    captions_complete: pd.DataFrame,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    prior: ModelBundle,
    image_tokenizer: ModelBundle,
) -> Made:
    """A GPT-2 that knows what the captioner's does, with the visual words in its vocabulary.

    Raises:
        LexipixError: There are no visual words.
    """
    if is_skipped(image_tokenizer):
        raise LexipixError(
            "The visual words were left out when they were to be trained: run "
            "`kedro run --pipelines generator --tags image_tokenizer` with generator.words.enabled = true."
        )
    pair, speaker, reader = map(load_network, (contrastive_pair, captioner, image_tokenizer))
    assert isinstance(pair, ContrastivePair) and isinstance(speaker, Captioner)
    assert isinstance(reader, ImageTokenizer)
    text_encoder, device = pair.text_encoder, resolve_device(run)  # first of all, as for the GAN
    sketch, sketched = sketch_of(prior) if parameters.sketch else (None, None)
    with seeded(run.seed):
        language_model = larger_vocabulary(
            speaker,
            tokenizer_of(contrastive_pair).get_vocab_size(),
            sum(reader.codebooks) + len(reader.codebooks),
            int(contrastive_pair.config["max_tokens"]),
            parameters.width,
            parameters.depth,
        )
        writer = TokenGenerator(
            language_model,
            image_tokenizer.config["network"]["levels"],
            parameters.passes,
            parameters.near,
            text_encoder.width,
            text_encoder.project.out_features,
            speaker.pad_id,
            sketched["prior"]["latent_channels"] if sketched else 0,
            hears_noise=parameters.adversarial > 0,
        )
        discriminator = discriminator_for(pair, gan)
    network: dict[str, Any] = {
        "text_encoder": contrastive_pair.config["network"]["text_encoder"],
        "writer": {
            "language_model": language_model.config.to_dict(),
            "passes": list(parameters.passes),
            "near": parameters.near,
            "pad_id": speaker.pad_id,
        },
        "image_tokenizer": image_tokenizer.config["network"],
        "sketch": sketched,
    }
    model = TokensToImage(text_encoder, writer, reader, sketch)
    captions = captions_for(pictures, captions_complete, contrastive_pair, pair, run)
    task = TokenGeneratorTask(
        model,
        discriminator,
        captions.images,
        captions.rows,
        captions.groups,
        captions.validation,
        **adversarial_settings(gan),
        guessing_rate=parameters.training.learning_rate,
        learning_rate=gan.training.learning_rate,
        teaching=1 - parameters.adversarial,
        canonical_share=parameters.canonical_share,
        flip=flip,
        device=device,
        share=share,
    )
    return Made(task, model, network)


def sketch_of(prior: ModelBundle) -> tuple[Sketch, dict[str, Any]]:
    """What a trained text prior draws, for the writer to hear, and how it is built."""
    model = load_network(prior)
    assert isinstance(model, TextToImage) and model.language_model is not None
    config = {key: prior.config["network"][key] for key in ("language_model", "prior")}
    return Sketch(model.language_model, model.prior), config


def larger_vocabulary(
    speaker: Captioner, vocabulary: int, n_words: int, max_tokens: int, width: int, depth: int
) -> GPT2LMHeadModel:
    """A GPT-2 with visual words behind the captions' tokens, and cells behind their positions.

    Where the captioner's language model is a GPT-2 of the same width, all that fits is taken from it: tokens,
    positions, and as many layers as both have. Another one is too large or of another kind, and the writer
    starts from random weights.

    Args:
        speaker: The captioner.
        vocabulary: Tokens of captions.
        n_words: Visual words, those not written yet included.
        max_tokens: Longest caption.
        width: Of the new model.
        depth: Its layers.
    """
    made = small_gpt2(
        vocabulary + n_words, max_tokens + CELLS, width, depth, speaker.eos_id, cross_attention=False
    )
    config = made.config.to_dict() | {"activation_function": "gelu_pytorch_tanh"}  # the same in one pass
    model = language_model_from_config(config)
    assert isinstance(model, GPT2LMHeadModel)
    known = speaker.language_model
    if (
        isinstance(known, GPT2LMHeadModel)
        and known.config.n_embd == width
        and known.config.n_head == width // 32
    ):
        state = known.transformer.state_dict()
        with torch.no_grad():
            for name, weight in model.transformer.state_dict().items():
                if name == "wte.weight":
                    weight[:vocabulary].copy_(state[name][:vocabulary])
                elif name == "wpe.weight":
                    n_positions = min(max_tokens, len(state[name]))
                    weight[:n_positions].copy_(state[name][:n_positions])
                elif name in state:
                    weight.copy_(state[name])
    return model

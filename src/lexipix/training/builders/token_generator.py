"""The training of the token generator that the parameters describe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lexipix.config.generator import GANParameters
from lexipix.config.run import RunParameters
from lexipix.config.tokens import TokenTransformerParameters
from lexipix.models.captioner import Captioner
from lexipix.models.discriminator import Discriminator
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.models.language_model import small_gpt2
from lexipix.models.text_to_image import TextToImage
from lexipix.models.token_generator import CELLS
from lexipix.models.tokens_to_image import PriorHint, TokensToImage, token_generator_from_config
from lexipix.training.builders.captions import shared_text_encoder, text_bundle
from lexipix.training.builders.common import TrainingSetup
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.generator_validation import GeneratorData
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.gan import GANHyperparameters
from lexipix.training.tasks.token_generator import TokenGeneratorTask
from lexipix.utils.errors import LexipixError
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ModelBundle

if TYPE_CHECKING:
    from transformers import GPT2LMHeadModel


def build_token_generator(
    run: RunParameters,
    parameters: TokenTransformerParameters,
    gan: GANParameters,
    flip: bool,
    data: GeneratorData,
    contrastive_pair: ModelBundle,
    captioner: ModelBundle,
    prior: ModelBundle,
    image_tokenizer: ModelBundle,
) -> TrainingSetup:
    """Return a GPT-2 that starts from the captioner's, with image tokens in its vocabulary, and its training.

    An image tokenizer that was not trained is an error.
    """
    text_encoder = shared_text_encoder(contrastive_pair, captioner)
    if is_skipped(image_tokenizer):
        raise LexipixError(
            "The image tokenizer was not trained: run `kedro run --pipelines generator --tags "
            "image_tokenizer` with generator.tokens.enabled = true."
        )
    captions_model = load_network(captioner, Captioner)
    tokenizer, encoder = load_network(image_tokenizer, ImageTokenizer), data.validation.encoder
    resolve_device(run)  # before the networks: random rotations depend on the number of threads
    hint, hint_config = None, None
    if parameters.prior_hint:
        hint_config = {key: prior.config["network"][key] for key in ("language_model", "prior")}
        hinting = load_network(prior, TextToImage)
        assert hinting.language_model is not None
        hint = PriorHint(hinting.language_model, hinting.prior)
    with seeded(run.seed):
        language_model = extended_gpt2(
            captions_model,
            vocabulary=tokenizer_of(contrastive_pair).get_vocab_size(),
            n_image_tokens=sum(tokenizer.codebook_sizes) + len(tokenizer.codebook_sizes),
            max_tokens=int(contrastive_pair.config["max_tokens"]),
            width=parameters.width,
            depth=parameters.depth,
        )
        network: dict[str, Any] = {
            "text_encoder": contrastive_pair.config["network"]["text_encoder"],
            "token_generator": {
                "language_model": language_model.config.to_dict(),
                "decoding_steps": list(parameters.decoding_steps),
                "local_conv_depth": parameters.local_conv_depth,
                "pad_id": captions_model.pad_id,
            },
            "image_tokenizer": image_tokenizer.config["network"],
            "prior_hint": hint_config,
        }
        is_adversarial = parameters.adversarial_fraction > 0
        generator = token_generator_from_config(network, language_model, text_encoder, is_adversarial)
        channels = int(image_tokenizer.config["network"]["image_channels"])
        discriminator = Discriminator(
            encoder, encoder.project.out_features, gan.discriminator_width, channels
        )
    model = TokensToImage(text_encoder, generator, tokenizer, hint)
    hyperparameters = GANHyperparameters(
        gan,
        pretrain_fraction=1 - parameters.adversarial_fraction,
        pretrain_learning_rate=parameters.training.learning_rate,
        primary_caption_prob=parameters.primary_caption_prob,
        flip=flip,
        gradient_accumulation_steps=parameters.training.gradient_accumulation_steps,
    )
    task = TokenGeneratorTask(model, discriminator, data, hyperparameters)
    inputs = gan, flip, contrastive_pair, captioner, prior, image_tokenizer
    bundle = text_bundle(contrastive_pair, generator.noise_dim)
    return TrainingSetup(task, model, network, parameters, inputs, bundle)


def extended_gpt2(
    captioner: Captioner, *, vocabulary: int, n_image_tokens: int, max_tokens: int, width: int, depth: int
) -> GPT2LMHeadModel:
    """Return a GPT-2 with image tokens after the captions' tokens, and cells after their positions.

    Where the captioner's language model is a GPT-2 of the same width, its tokens, positions and the layers
    that both have start this one. Another one is too large or of another kind, and all weights are random.
    """
    from transformers import GPT2LMHeadModel

    sizes = vocabulary + n_image_tokens, max_tokens + CELLS, width, depth
    model = small_gpt2(*sizes, captioner.eos_id, cross_attention=False)
    known = captioner.language_model
    if not isinstance(known, GPT2LMHeadModel) or known.config.n_embd != width:
        return model
    if known.config.n_head != model.config.n_head:
        return model
    state = known.transformer.state_dict()
    shared = {"wte.weight": vocabulary, "wpe.weight": min(max_tokens, known.config.n_positions)}  # first rows
    with torch.no_grad():
        for name, weight in model.transformer.state_dict().items():
            if name in state:
                weight[: shared.get(name)].copy_(state[name][: shared.get(name)])
    return model

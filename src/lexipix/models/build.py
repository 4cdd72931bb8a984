"""Networks from the dictionaries that model folders keep as ``config.json``."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from lexipix.models.captioner import Captioner, language_model_from_config
from lexipix.models.classifier import Classifier
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.image_encoder import ConvImageEncoder, ImageEncoder
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.token_generator import TokenGenerator
from lexipix.models.tokens_to_image import Sketch, TokensToImage
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import VAE, Decoder

Config = dict[str, Any]


def image_encoder(config: Config) -> ImageEncoder:
    """Keys: channels, blocks, embed_dim; or backbone (of transformers), mean, std, embed_dim."""
    if "backbone" in config:
        from lexipix.models.pretrained_image_encoder import PretrainedImageEncoder, backbone_from_config

        return PretrainedImageEncoder(
            backbone_from_config(config["backbone"]), config["mean"], config["std"], config["embed_dim"]
        )
    return ConvImageEncoder(tuple(config["channels"]), tuple(config["blocks"]), config["embed_dim"])


def text_encoder(config: Config) -> TextEncoder:
    """Keys: vocabulary, max_tokens, width, depth, embed_dim."""
    return TextEncoder(**config)


def contrastive_pair(config: Config) -> ContrastivePair:
    """Keys: image_encoder, text_encoder."""
    return ContrastivePair(image_encoder(config["image_encoder"]), text_encoder(config["text_encoder"]))


def captioner(config: Config) -> Captioner:
    """Keys: image_encoder, language_model (transformers), conditioning, cells, start_id, pad_id, eos_id."""
    return Captioner(
        image_encoder(config["image_encoder"]),
        language_model_from_config(config["language_model"]),
        config["conditioning"],
        config["cells"],
        start_id=config["start_id"],
        pad_id=config["pad_id"],
        eos_id=config["eos_id"],
    )


def vae(config: Config) -> VAE:
    """Keys: image_size, latent_channels, width, depth."""
    return VAE(**config)


def text_to_image(config: Config) -> TextToImage:
    """Keys: language_model (transformers; null: none), text_encoder, prior, pad_id, and decoder.

    The decoder is a VAE's (keys as for :func:`vae`), or an upsampling one (image_size, latent_channels,
    width).
    """
    decoder = Decoder if "depth" in config["decoder"] else UpsamplingDecoder
    language_model = config["language_model"]
    return TextToImage(
        language_model_from_config(language_model) if language_model else None,
        text_encoder(config["text_encoder"]),
        TextPrior(**config["prior"]),
        decoder(**config["decoder"]),
        config["pad_id"],
    )


def classifier(config: Config) -> Classifier:
    """Keys: width, n_classes."""
    return Classifier(**config)


def image_tokenizer(config: Config) -> ImageTokenizer:
    """Keys: image_size, levels, width, depth."""
    return ImageTokenizer(**config)


def tokens_to_image(config: Config) -> TokensToImage:
    """Keys: text_encoder, writer (language_model, passes, near, pad_id), image_tokenizer, and sketch.

    Of the last: null, or language_model and prior.
    """
    writer, words, sketch = config["writer"], config["image_tokenizer"], config.get("sketch")
    reader = text_encoder(config["text_encoder"])
    return TokensToImage(
        reader,
        TokenGenerator(
            language_model_from_config(writer["language_model"]),
            words["levels"],
            writer["passes"],
            writer["near"],
            reader.width,
            reader.project.out_features,
            writer["pad_id"],
            sketch["prior"]["latent_channels"] if sketch else 0,
        ),
        image_tokenizer(words),
        Sketch(language_model_from_config(sketch["language_model"]), TextPrior(**sketch["prior"]))
        if sketch
        else None,
    )


BUILDERS: dict[str, Callable[[Config], nn.Module]] = {
    "contrastive_pair": contrastive_pair,
    "captioner": captioner,
    "vae": vae,
    "text_to_image": text_to_image,
    "classifier": classifier,
    "image_tokenizer": image_tokenizer,
    "tokens_to_image": tokens_to_image,
}


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """The network of a kind, with random weights, from its dictionary."""
    if kind not in BUILDERS:
        raise ValueError(f"there is no network of kind {kind!r}: known are {', '.join(BUILDERS)}")
    return BUILDERS[kind](dict(config))

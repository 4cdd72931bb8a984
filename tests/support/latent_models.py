"""A VAE of a few scenes that needs no training, with text-to-image models in its latent space."""

from functools import cache

import numpy as np
import torch

from lexipix.data.tokenization import PAD_ID, train_tokenizer
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import VAE
from lexipix.scenes import caption, render_many, sample_scene
from lexipix.training.bundles import to_bundle

SIZE, CHANNELS, NOISE, N_SCENES = 16, 4, 8, 12
AUTOENCODER = {"patch": SIZE // 8, "latent_channels": CHANNELS, "width": 16, "depth": 1}


@cache
def latent_scenes():
    """Captions and images, uint8 (N, S, S, 3)."""
    rng = np.random.default_rng(0)
    some = [sample_scene(rng) for _ in range(N_SCENES)]
    return [caption(one) for one in some], render_many(some, rng, SIZE)


@cache
def latent_models():
    """Networks by their names in the catalog; the VAE is the best linear one of these images."""
    texts, images = latent_scenes()
    tokenizer = train_tokenizer(texts, 300)
    text_encoder = {
        "vocabulary": tokenizer.get_vocab_size(), "max_tokens": 40, "width": 32, "depth": 1,
        "embed_dim": 16,
    }  # fmt: skip
    prior = {
        "text_width": 32, "embed_dim": 16, "latent_channels": CHANNELS, "width": 32, "depth": 1,
        "noise_dim": NOISE,
    }  # fmt: skip
    config = {
        "language_model": None, "text_encoder": text_encoder, "prior": prior, "decoder": AUTOENCODER,
        "pad_id": PAD_ID,
    }  # fmt: skip

    def bundle(kind, network, own, **extra):
        card = {"decoder_variance": 0.0002}
        return to_bundle(
            kind, network, own, max_tokens=40, card_parameters=card, data_digest="d", metrics={}, **extra
        )

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vae = VAE(**AUTOENCODER)
        vae.init_from_pca(torch.from_numpy(images.transpose(0, 3, 1, 2)).float() / 127.5 - 1)
        found = {"vae": bundle("vae", vae, AUTOENCODER, tokenizer=None)}
        for name in ("prior", "gan"):
            network = TextToImage.from_config(config)
            network.decoder.load_state_dict(vae.decoder.state_dict())
            found[name] = bundle("text_to_image", network, config, tokenizer=tokenizer)
    return found

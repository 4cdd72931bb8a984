"""The error of latents, weighted by what each channel does to the image."""

from torch import Tensor

from lexipix.models.vae import Decoder


def channel_weights(decoder: Decoder) -> Tensor:
    """Return how much an error of each whitened latent channel counts: (1, C, 1, 1), 1 on average.

    The weight is the root of the channel's share of the squared pixel error. With the share itself, shapes
    are learned late; without weights, hardly anything is.
    """
    effect = decoder.linear.weight.detach().flatten(1).norm(dim=0)
    weights: Tensor = (effect / effect.mean())[None, :, None, None]
    return weights


def latent_errors(latents: Tensor, target: Tensor, weights: Tensor) -> Tensor:
    """Return the weighted mean squared error of each latent (B, C, 8, 8): (B,)."""
    return (latents.float() - target).square().mul(weights).mean((1, 2, 3))

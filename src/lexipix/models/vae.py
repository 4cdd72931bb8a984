"""The VAE: image to a grid of latents, one for each patch, and back.

Encoder and decoder work on the grid throughout, which is fast on small CPUs. Each is a linear map, which
starts as principal components of the training patches, plus a residual trunk that starts at zero.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import ResidualConv, zero_init
from lexipix.models.configurable_network import ConfigurableNetwork

GRID = 8  # of the text prior and of image tokens: the side of an image in patches
FOUND_PSNR = 31.0  # of principal components alone, by which the number of channels is found
INITIAL_LOGVAR = -5.0  # small enough that the sampling noise does not drown the linear autoencoder
# The exponential must not overflow after one bad step; no useful posterior is near these ends
LOGVAR_RANGE = (-30.0, 10.0)


class Encoder(nn.Module):
    """Images in [-1, 1], of any size, to mean and log-variance of the latent of each patch."""

    def __init__(
        self, patch: int, latent_channels: int, width: int, depth: int, image_channels: int = 3
    ) -> None:
        super().__init__()
        self.patch = patch
        patch_dim = image_channels * patch**2
        self.linear = nn.Conv2d(patch_dim, latent_channels, 1)
        self.proj_in = nn.Conv2d(patch_dim, width, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualConv(width) for _ in range(depth)))
        self.proj_out = zero_init(nn.Conv2d(width, 2 * latent_channels, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        patches = F.pixel_unshuffle(images, self.patch)  # (B, channels * patch^2, S / patch, S / patch)
        delta, logvar = self.proj_out(self.trunk(self.proj_in(patches))).chunk(2, dim=1)
        return self.linear(patches) + delta, (logvar + INITIAL_LOGVAR).clamp(*LOGVAR_RANGE)


class Decoder(nn.Module):
    """Latents of patches, (B, C, G, G), to images (B, 3 or 4, S, S), about [-1, 1] and not clamped."""

    def __init__(
        self,
        patch: int,
        latent_channels: int,
        width: int,
        depth: int,
        image_channels: int = 3,
        hidden: Sequence[int]
        | None = None,  # channels in each block if pruning has removed some of ``width``
    ) -> None:
        super().__init__()
        self.patch = patch
        patch_dim = image_channels * patch**2
        self.linear = nn.Conv2d(latent_channels, patch_dim, 1)
        self.proj_in = nn.Conv2d(latent_channels, width, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualConv(width, inner) for inner in hidden or [width] * depth))
        self.proj_out = zero_init(nn.Conv2d(width, patch_dim, 3, padding=1))

    def forward(self, latents: Tensor) -> Tensor:
        patches = self.linear(latents) + self.proj_out(self.trunk(self.proj_in(latents)))
        return F.pixel_shuffle(patches, self.patch)


def image_patches(images: Tensor, patch: int) -> Tensor:
    """Patches of images (N, C, S, S) in float64, (N * cells, C * patch^2)."""
    return F.pixel_unshuffle(images, patch).permute(0, 2, 3, 1).flatten(0, 2).double()


def init_linear_maps(
    encoder: Encoder, decoder: Decoder, mean: Tensor, axes: Tensor, variances: Tensor
) -> None:
    """Set the linear map of an encoder to whitened projections, and that of a decoder to their inverse.

    ``mean`` is the mean patch (channels * patch^2,), ``axes`` has orthonormal columns (the same, C), and
    ``variances`` (C,) are those of the patches along each axis.
    """
    # eigh leaves signs open; fix them, so that every machine starts from the same axes
    axes = axes * torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))
    stds = variances.clamp_min(1e-8).sqrt()
    project, unproject = (axes / stds).T, axes * stds
    for layer, weight, bias in (
        (encoder.linear, project, -project @ mean),
        (decoder.linear, unproject, mean),
    ):
        assert layer.bias is not None
        layer.weight.copy_(weight[:, :, None, None])
        layer.bias.copy_(bias)


def principal_components(images: Tensor, patch: int) -> tuple[Tensor, Tensor, Tensor]:
    """The mean patch (P,) of images (N, C, S, S), variances (P,) in ascending order, and axes (P, P)."""
    patches = image_patches(images, patch)
    mean = patches.mean(0)
    variances, axes = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
    return mean, variances, axes


@torch.no_grad()
def find_latent_channels(images: Tensor, patch: int) -> int:
    """The number of principal components per patch that reconstruct images (N, C, S, S) at 31 dB.

    It is a multiple of four, from 8 to 64.
    """
    _, variances, _ = principal_components(images, patch)
    left = variances.clamp_min(0).cumsum(0).flip(0) / len(variances)  # error without the rest of the axes
    allowed = 4 * 10 ** (-FOUND_PSNR / 10)  # values are in [-1, 1]
    needed = int((left > allowed).sum())
    return min(max(8, 4 * -(-needed // 4)), 64, len(variances))


class VAE(ConfigurableNetwork):
    """Variational autoencoder of patches and their surroundings, for images of any multiple of the patch."""

    kind = "vae"

    def __init__(
        self, patch: int, latent_channels: int, width: int, depth: int, image_channels: int = 3
    ) -> None:
        super().__init__()
        self.encoder = Encoder(patch, latent_channels, width, depth, image_channels)
        self.decoder = Decoder(patch, latent_channels, width, depth, image_channels)

    @torch.no_grad()
    def init_from_pca(self, images: Tensor) -> None:
        """Set the linear maps to whitened principal components of the patches of images (N, C, S, S)."""
        channels = self.encoder.linear.out_channels
        mean, variances, axes = principal_components(images, self.encoder.patch)
        leading = axes[:, -channels:].flip(1), variances[-channels:].flip(0)
        init_linear_maps(self.encoder, self.decoder, mean, *leading)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct images in [-1, 1], (B, 3 or 4, S, S), from a sample of the posterior.

        Its mean and log-variance, each (B, C, G, G), follow the reconstruction.
        """
        mean, logvar = self.encoder(images)
        latents = mean + torch.exp(0.5 * logvar) * torch.randn_like(mean)
        return self.decoder(latents), mean, logvar

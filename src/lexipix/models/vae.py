"""The direct path: picture -> 8x8 latent grid -> picture.

Encoder and decoder work on the 8x8 grid throughout (patches in, pixel-shuffled patches out), where small
CPUs are fast. Each is a linear map, initialised by the principal components of the training patches, plus a
residual trunk that starts at zero: before the first update the pair is already the best linear autoencoder.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import ResidualConv, zero_init
from lexipix.models.configurable_network import ConfigurableNetwork

GRID = 8
# The sampled latent starts close to its mean, so that its noise does not drown the linear autoencoder
FIRST_LOGVAR = -5.0
# Its exponential must not overflow after one unlucky step; no useful posterior is near these ends
LOGVAR_RANGE = (-30.0, 10.0)


class Encoder(nn.Module):
    """Pictures in [-1, 1], (B, 3, S, S), to mean and log-variance of the latent, each (B, C, 8, 8).

    Args:
        image_size: Side in pixels, a multiple of 8.
        latent_channels: Numbers per grid cell.
        width: Channels of the residual trunk.
        depth: Its blocks.
    """

    def __init__(self, image_size: int, latent_channels: int, width: int, depth: int) -> None:
        super().__init__()
        self.patch = image_size // GRID
        patch_numbers = 3 * self.patch**2
        self.linear = nn.Conv2d(patch_numbers, latent_channels, 1)
        self.inward = nn.Conv2d(patch_numbers, width, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualConv(width) for _ in range(depth)))
        self.outward = zero_init(nn.Conv2d(width, 2 * latent_channels, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        patches = F.pixel_unshuffle(images, self.patch)  # (B, 3*p*p, 8, 8)
        delta, logvar = self.outward(self.trunk(self.inward(patches))).chunk(2, dim=1)
        return self.linear(patches) + delta, (logvar + FIRST_LOGVAR).clamp(*LOGVAR_RANGE)


class Decoder(nn.Module):
    """Latents (B, C, 8, 8) to pictures (B, 3, S, S), about [-1, 1] and not clamped.

    Args:
        image_size: Side in pixels, a multiple of 8.
        latent_channels: Numbers per grid cell.
        width: Channels of the residual trunk.
        depth: Its blocks.
        hidden: Channels inside each block, where pruning has left fewer than ``width``.
    """

    def __init__(
        self,
        image_size: int,
        latent_channels: int,
        width: int,
        depth: int,
        hidden: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        self.patch = image_size // GRID
        patch_numbers = 3 * self.patch**2
        self.linear = nn.Conv2d(latent_channels, patch_numbers, 1)
        self.inward = nn.Conv2d(latent_channels, width, 3, padding=1)
        self.trunk = nn.Sequential(*(ResidualConv(width, inner) for inner in hidden or [width] * depth))
        self.outward = zero_init(nn.Conv2d(width, patch_numbers, 3, padding=1))

    def forward(self, latents: Tensor) -> Tensor:
        patches = self.linear(latents) + self.outward(self.trunk(self.inward(latents)))
        return F.pixel_shuffle(patches, self.patch)


class VAE(ConfigurableNetwork):
    """Variational autoencoder over an 8x8 grid.

    Args:
        image_size: Side in pixels, a multiple of 8.
        latent_channels: Numbers per grid cell.
        width: Channels of the residual trunks.
        depth: Residual blocks in each trunk.

    Raises:
        ValueError: The side is no multiple of 8.
    """

    kind = "vae"

    def __init__(self, image_size: int, latent_channels: int, width: int, depth: int) -> None:
        super().__init__()
        if image_size % GRID:
            raise ValueError(f"image_size must be a multiple of {GRID}, not {image_size}")
        self.encoder = Encoder(image_size, latent_channels, width, depth)
        self.decoder = Decoder(image_size, latent_channels, width, depth)

    @torch.no_grad()
    def initialise(self, images: Tensor) -> None:
        """Set the linear maps to the leading principal components of the pictures' patches, whitened.

        Args:
            images: A sample of training pictures in [-1, 1], (N, 3, S, S).
        """
        encode, decode = self.encoder.linear, self.decoder.linear
        assert encode.bias is not None and decode.bias is not None
        patch, channels = self.encoder.patch, encode.out_channels
        patches = F.pixel_unshuffle(images, patch).permute(0, 2, 3, 1).flatten(0, 2).double()
        mean = patches.mean(0)
        values, vectors = torch.linalg.eigh((patches - mean).T @ (patches - mean) / len(patches))
        axes = vectors[:, -channels:].flip(1)
        # eigh leaves signs open; fix them, so that every machine starts from the same axes
        axes = axes * torch.sign(axes.gather(0, axes.abs().argmax(0, keepdim=True)))
        deviations = values[-channels:].flip(0).clamp_min(1e-8).sqrt()
        project, unproject = (axes / deviations).T, axes * deviations
        encode.weight.copy_(project[:, :, None, None])
        encode.bias.copy_(-project @ mean)
        decode.weight.copy_(unproject[:, :, None, None])
        decode.bias.copy_(mean)

    def forward(
        self, images: Tensor, draw: Callable[[Tensor], Tensor] = torch.randn_like
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct pictures in [-1, 1], (B, 3, S, S), by way of a latent drawn from the posterior.

        Args:
            images: The pictures.
            draw: Gives standard normal numbers in the shape of the tensor it is given.

        Returns:
            Reconstruction (B, 3, S, S), mean and log-variance of the posterior, each (B, C, 8, 8).
        """
        mean, logvar = self.encoder(images)
        sample = mean + torch.exp(0.5 * logvar) * draw(mean)
        return self.decoder(sample), mean, logvar

"""The image tokenizer: an image to an 8x8 grid with a few tokens per cell, and back, in one pass each way.

Finite scalar quantization (Mentzer et al. 2023, arXiv 2309.15505) bounds each number of a cell and rounds it
to one of a few levels; a token combines some of them. The first tokens hold colors: a thumbnail.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from lexipix.models.configurable_network import ConfigurableNetwork
from lexipix.models.vae import GRID, Decoder, Encoder, image_patches, init_linear_maps

# FSQ of vector-quantize-pytorch 1.32 cannot replace this: its outer levels are half as wide and have codes -1
# and 1, where the decoder's atanh is infinite. With levels 8, 8, 4; 6, 6, 5; 5, 5, 5 it puts 68 % of normal
# numbers on the same level (78 % with preserve_symmetry), with 1.3 times the error. It takes 2.4 to 3 times
# as long (4.7 against 1.6 ms for 64 images on one core) and needs five more packages.

# Numbers of variance 1 times this, bounded by tanh, use all levels about equally
STEEPNESS = 0.75
MAX_CODE = 1 - 1e-3  # bound of the codes that enter the inverse of tanh


def code_values(levels: Sequence[int]) -> Tensor:
    """Codes of all tokens of a codebook, (tokens, numbers), within (-1, 1), from each number's levels."""
    centers = [(2 * torch.arange(n) + 1) / n - 1 for n in levels]
    return torch.cartesian_prod(*centers).reshape(-1, len(levels))


def nearest_tokens(codes: Tensor, levels: Sequence[int]) -> Tensor:
    """Tokens, int64 (…), whose codes are nearest to ``codes`` (…, numbers)."""
    tokens = torch.zeros(codes.shape[:-1], dtype=torch.int64, device=codes.device)
    for number, base in zip(codes.unbind(-1), levels, strict=True):
        tokens = tokens * base + ((number + 1) / 2 * base).floor().long().clamp(0, base - 1)
    return tokens


class ImageTokenizer(ConfigurableNetwork):
    """An autoencoder with discrete latents, for images whose side is a multiple of 8.

    ``levels`` are those of the numbers of each token of a cell; the codebook's size is their product. The
    first token has three numbers. The residual trunks have ``depth`` blocks of ``width`` channels.
    """

    kind = "image_tokenizer"
    levels: Tensor

    def __init__(
        self,
        image_size: int,
        levels: Sequence[Sequence[int]],
        width: int,
        depth: int,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.group_sizes = [len(group) for group in levels]  # numbers in the code of each token
        self.codebook_sizes = [math.prod(group) for group in levels]
        channels = sum(self.group_sizes)
        self.encoder = Encoder(image_size // GRID, channels, width, depth, image_channels)
        self.decoder = Decoder(image_size // GRID, channels, width, depth, image_channels)
        self.level_groups, self.code_values = levels, [code_values(group) for group in levels]
        flat = torch.tensor([float(level) for group in levels for level in group])
        self.register_buffer("levels", flat[:, None, None], persistent=False)

    @property
    def bits(self) -> float:
        """Bits per image: 64 times the sum of log2 of the codebook sizes."""
        return GRID**2 * sum(math.log2(size) for size in self.codebook_sizes)

    def encode(self, images: Tensor) -> Tensor:
        """Images (B, 3, S, S) to codes within (-1, 1), (B, C, 8, 8), before rounding."""
        return torch.tanh(STEEPNESS * self.encoder(images)[0].float())

    def quantize(self, codes: Tensor) -> Tensor:
        """Round codes (B, C, 8, 8) to the centers of their levels; gradients pass unchanged."""
        index = torch.minimum(((codes + 1) / 2 * self.levels).floor().clamp_min(0), self.levels - 1)
        return codes + ((2 * index + 1) / self.levels - 1 - codes).detach()

    def tokenize(self, images: Tensor) -> Tensor:
        """Images in [-1, 1], (B, 3, S, S), to tokens, int64 (B, tokens per cell, 64)."""
        groups = self.encode(images).movedim(1, -1).split(self.group_sizes, -1)
        pairs = zip(groups, self.level_groups, strict=True)
        return torch.stack([nearest_tokens(codes, levels) for codes, levels in pairs], 1).flatten(2)

    def codes(self, tokens: Tensor) -> Tensor:
        """Codes (B, C, 8, 8) of tokens (B, tokens per cell, 64)."""
        pairs = zip(tokens.unbind(1), self.code_values, strict=True)
        return self._to_grid([values.to(tokens.device)[index] for index, values in pairs])

    def soft_codes(self, probs: Sequence[Tensor]) -> Tensor:
        """Expected codes (B, C, 8, 8) by the probabilities (B, 64, codebook size) of each token of a cell.

        For one-hot probabilities they are equal to :meth:`codes`; gradients pass.
        """
        device = self.levels.device
        with torch.autocast(device.type, enabled=False):  # bf16 is coarser than the levels
            pairs = zip(probs, self.code_values, strict=True)
            return self._to_grid([share.float() @ values.to(device) for share, values in pairs])

    @staticmethod
    def _to_grid(codes: Sequence[Tensor]) -> Tensor:
        grid: Tensor = torch.cat(list(codes), -1).transpose(1, 2).unflatten(2, (GRID, GRID))
        return grid

    def decode(self, codes: Tensor, n_tokens: Tensor | int | None = None) -> Tensor:
        """Codes (B, C, 8, 8) to images (B, 3, S, S), about [-1, 1] and not clamped.

        With ``n_tokens``, (B,) or one number, all codes but those of the first tokens are zero, their mean.
        """
        if n_tokens is not None:
            token = torch.arange(len(self.group_sizes)).repeat_interleave(torch.tensor(self.group_sizes))
            is_known = token < torch.as_tensor(n_tokens).view(-1, 1)
            codes = codes * is_known[..., None, None].to(codes.device)
        images: Tensor = self.decoder(torch.atanh(codes.clamp(-MAX_CODE, MAX_CODE)) / STEEPNESS)
        return images

    def forward(self, images: Tensor, n_tokens: Tensor | int | None = None) -> Tensor:
        """Reconstruct images in [-1, 1], (B, 3, S, S); ``n_tokens`` as for :meth:`decode`."""
        return self.decode(self.quantize(self.encode(images)), n_tokens)

    @torch.no_grad()
    def init_from_pca(self, images: Tensor) -> None:
        """Set the linear maps to whitened principal components of the patches of images (N, C, S, S).

        The first token's numbers are the components of the patches' mean color, the others those of what
        the mean color leaves.
        """
        patch = self.encoder.patch
        patches = image_patches(images, patch)
        mean = patches.mean(0)
        covariance = (patches - mean).T @ (patches - mean) / len(patches)
        n_channels = images.shape[1]
        flat = torch.kron(torch.eye(n_channels, dtype=torch.float64), torch.ones(patch**2, 1).double())
        flat = flat / patch  # (C * patch^2, C), orthonormal: one column for each color
        _, colors = torch.linalg.eigh(flat.T @ covariance @ flat)
        rest = torch.eye(len(mean), dtype=torch.float64) - flat @ flat.T
        _, others = torch.linalg.eigh(rest @ covariance @ rest)
        axes = torch.cat([flat @ colors.flip(1), others.flip(1)], 1)[:, : sum(self.group_sizes)]
        variances = (axes * (covariance @ axes)).sum(0)
        init_linear_maps(self.encoder, self.decoder, mean, axes, variances)

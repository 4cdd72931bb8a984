"""What each caption looks like, remembered: random features of its words, and a linear map to a whole latent.

Where every caption names something else, nothing but memory tells what it looks like, and convolutions that
look through each caption again and again pay hundreds of times the arithmetic for it. One wide layer of fixed
random Fourier features (Rahimi and Recht 2007) holds thousands of captions; the map behind it is solved, not
trained: :mod:`lexipix.training.random_features`.
"""

import torch
from torch import Tensor, nn

from lexipix.models.text_encoder import masked_mean
from lexipix.models.vae import GRID


class RandomFeatureRegressor(nn.Module):
    """A caption to the mean latent of its pictures, without noise.

    Args:
        text_width: Width of the words' states.
        embed_dim: Length of the caption's vector.
        latent_channels: Of the VAE.
        width: Number of random features.
    """

    def __init__(self, text_width: int, embed_dim: int, latent_channels: int, width: int) -> None:
        super().__init__()
        self.vector_scale = embed_dim**0.5
        self.features = nn.Linear(2 * text_width + embed_dim, width)
        self.recall = nn.Linear(width, latent_channels * GRID * GRID)

    def describe(self, states: Tensor, mask: Tensor, vector: Tensor) -> Tensor:
        """Mean and maximum of the words' states, and the vector: (B, 2 * text_width + embed_dim)."""
        mean = masked_mean(states, mask)
        highest = states.masked_fill(~mask.unsqueeze(-1), -1e4).amax(1)
        return torch.cat([mean, highest, self.vector_scale * vector], dim=1)

    def random_features(self, text: Tensor) -> Tensor:
        """What :meth:`describe` gave, to (B, width): products of two approximate a Gaussian kernel.

        Being bounded they keep the latents of captions unlike all that were seen to the usual size, where
        rectified features would extrapolate.
        """
        cosines: Tensor = self.features(text).cos()
        return 2**0.5 * cosines

    def forward(self, states: Tensor, mask: Tensor, vector: Tensor) -> Tensor:
        """Latents (B, C, 8, 8); the arguments as for :class:`lexipix.models.text_prior.TextPrior`."""
        # Whitened directions are differences of large numbers: bfloat16 would leave nothing of them
        with torch.autocast(states.device.type, enabled=False):
            exact = self.features.weight.dtype  # the same, but where the whole network was cast
            text = self.describe(states.to(exact), mask, vector.to(exact))
            latents = self.recall(self.random_features(text)).unflatten(1, (-1, GRID, GRID))
        assert isinstance(latents, Tensor)
        return latents

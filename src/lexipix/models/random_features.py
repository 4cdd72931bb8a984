"""Random Fourier features and ridge regression: from a caption to the mean latent of its images.

One wide layer of fixed random features (Rahimi and Recht 2007) and a linear readout, which
:mod:`lexipix.training.random_features` solves, store every caption for a hundredth of the arithmetic of
convolutions.
"""

import torch
from torch import Tensor, nn

from lexipix.models.text_encoder import mean_and_max
from lexipix.models.vae import GRID


class RandomFeatureRegressor(nn.Module):
    """A caption to a latent, without noise, from hidden states of ``text_width`` and an embedding."""

    def __init__(self, text_width: int, embed_dim: int, latent_channels: int, n_features: int) -> None:
        super().__init__()
        self.embedding_scale = embed_dim**0.5  # unit vectors to unit variance
        self.projection = nn.Linear(2 * text_width + embed_dim, n_features)
        self.readout = nn.Linear(n_features, latent_channels * GRID * GRID)

    def pool(self, hidden_states: Tensor, mask: Tensor, embedding: Tensor) -> Tensor:
        """Mean and maximum of the hidden states, and the embedding: (B, 2 * text_width + embed_dim)."""
        return torch.cat([mean_and_max(hidden_states, mask), self.embedding_scale * embedding], dim=1)

    def features(self, pooled: Tensor) -> Tensor:
        """Random features (B, n_features) of pooled captions; their products approximate a Gaussian kernel.

        They are bounded, so that latents of captions unlike any training caption keep the usual size.
        Rectified features would extrapolate.
        """
        cosines: Tensor = self.projection(pooled).cos()
        return 2**0.5 * cosines

    def forward(self, hidden_states: Tensor, mask: Tensor, embedding: Tensor) -> Tensor:
        """Latents (B, C, 8, 8); the arguments are those of :meth:`TextPrior.condition`."""
        # Whitened directions are differences of large numbers, which bfloat16 would cancel to nothing
        with torch.autocast(hidden_states.device.type, enabled=False):
            dtype = self.projection.weight.dtype
            pooled = self.pool(hidden_states.to(dtype), mask, embedding.to(dtype))
            latents: Tensor = self.readout(self.features(pooled)).unflatten(1, (-1, GRID, GRID))
        return latents

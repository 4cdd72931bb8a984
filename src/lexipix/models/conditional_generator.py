"""The interface of the text-to-image models."""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from lexipix.models.configurable_network import ConfigurableNetwork


class ConditionalGenerator(ConfigurableNetwork):
    """A model that generates images from captions and noise in two steps: encode the text, then decode."""

    @property
    @abstractmethod
    def noise_dim(self) -> int:
        """Length of the noise vector."""

    @abstractmethod
    def unfreeze(self) -> list[nn.Parameter]:
        """Make the generating part trainable and freeze the rest; returns the trainable parameters."""

    @abstractmethod
    def encode_text(self, ids: Tensor) -> Any:
        """Encode captions ``ids`` (B, L); one encoding serves any number of images.

        Its attribute ``embedding`` holds the captions' unit vectors in the contrastive space, (B, D).
        """

    def encode_for_training(self, ids: Tensor, rows: Tensor, images: Tensor) -> tuple[Any, Tensor]:
        """Encode captions for a training step; returns what to draw from them, (B, C, S, S), too.

        ``rows`` (B,) are those of the training images, ``images`` (B, C, S, S) in [-1, 1] themselves.
        """
        return self.encode_text(ids), images

    @abstractmethod
    def decode(self, encoding: Any, noise: Tensor) -> Tensor:
        """Images (B, C, S, S), about [-1, 1], from encoded captions and noise (B, noise_dim)."""

    def forward(self, ids: Tensor, noise: Tensor) -> Tensor:
        return self.decode(self.encode_text(ids), noise)

"""What every model is that draws from captions."""

from abc import abstractmethod
from typing import Any

from torch import Tensor, nn

from lexipix.models.configurable_network import ConfigurableNetwork


class ConditionalGenerator(ConfigurableNetwork):
    """A model that draws pictures from captions and noise, in two steps."""

    @property
    @abstractmethod
    def noise_width(self) -> int:
        """Length of the noise vector that decides about a picture."""

    @abstractmethod
    def release(self) -> list[nn.Parameter]:
        """Let learn what draws, and nothing else; its weights."""

    @abstractmethod
    def read(self, ids: Tensor) -> Any:
        """What captions ``ids`` (B, L) say; to be reused as often as pictures are drawn from them.

        Its ``vector``, unit vectors (B, V), is where the captions lie in the space of pictures.
        """

    @abstractmethod
    def draw(self, reading: Any, noise: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from what captions say and noise (B, noise_width)."""

    def forward(self, ids: Tensor, noise: Tensor) -> Tensor:
        """Pictures (B, 3, S, S), about [-1, 1], from captions ``ids`` (B, L) and noise (B, noise_width)."""
        return self.draw(self.read(ids), noise)

"""The base class of networks that a model folder can hold."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import nn


class ConfigurableNetwork(nn.Module):
    """A network that can be built from the dictionary ``network`` of a model folder's ``config.json``.

    Attributes:
        kind: The value of ``kind`` in ``config.json``.
    """

    kind: ClassVar[str]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the network with random weights.

        Args:
            config: JSON-able; here, the arguments of the constructor.
        """
        return cls(**config)

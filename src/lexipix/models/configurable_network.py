"""The base class of networks that a model folder can hold."""

from collections.abc import Mapping
from typing import Any, ClassVar, Self

from torch import nn


class ConfigurableNetwork(nn.Module):
    """A network that is built from ``network`` in a model folder's ``config.json``, beside its ``kind``."""

    kind: ClassVar[str]

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the network with random weights from a JSON-able dictionary, the constructor's arguments."""
        return cls(**config)

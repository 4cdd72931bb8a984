"""Runtimes of trained networks."""

import pytest
import torch

from lexipix.compression import runtimes
from lexipix.compression.export import Unavailable
from lexipix.models.text_to_image import TextToImage


def test_bf16_is_left_out_on_a_processor_without_it(prior, monkeypatch):
    monkeypatch.setattr(runtimes, "has_bf16", lambda device: False)
    with pytest.raises(Unavailable, match="this processor has no bf16"):
        runtimes.load_generator("torch_bf16", prior)
    monkeypatch.setattr(runtimes, "has_bf16", lambda device: True)
    network, dtype = runtimes.torch_network(prior, "torch_bf16", TextToImage)
    assert dtype is torch.bfloat16
    assert {weight.dtype for weight in network.parameters()} == {torch.bfloat16}

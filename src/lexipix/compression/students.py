"""Smaller networks from a trained generator: with pruned channels, and with a small text encoder."""

import copy
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

from lexipix.config.compression import PrunedParameters, SmallParameters
from lexipix.models.blocks import ModulatedConv, ResidualConv
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import GRID, Decoder

ROUND_TO = 8  # other numbers of channels waste vector lanes


def make_student(
    teacher: TextToImage, network: dict[str, Any], parameters: PrunedParameters
) -> tuple[dict[str, Any], TextToImage]:
    """Returns a generator without the least important channels inside its residual convolution blocks.

    The channels between the two convolutions of a block depend on nothing else, so that each block is pruned
    by itself. Importance is the norm of the weights of a channel in both convolutions (Torch-Pruning, Fang et
    al. 2023, arXiv 2301.12900). The channels of the residual stream stay. A small network's text encoder has
    random weights.

    Returns:
        The student's configuration, as :meth:`TextToImage.from_config` takes it, and the student.
    """
    config = copy.deepcopy(network)
    if isinstance(parameters, SmallParameters):
        width = parameters.text_encoder.width
        config["language_model"] = None
        config["text_encoder"] |= {"width": width, "depth": parameters.text_encoder.depth}
        config["prior"] |= {"text_width": width, "text_layers": 0}
        student = TextToImage.from_config(config)
        for part in ("condition_mlp", "coarse_grid", "word_to_grid", "blocks", "proj_out", "text_norm"):
            getattr(student.prior, part).load_state_dict(getattr(teacher.prior, part).state_dict())
        student.prior.grid_bias.data.copy_(teacher.prior.grid_bias)
        student.decoder.load_state_dict(teacher.decoder.state_dict())
    else:
        student = copy.deepcopy(teacher)
    config["prior"]["hidden"] = [_prune(block, parameters.share) for block in student.prior.blocks]
    if isinstance(student.decoder, Decoder):
        config["decoder"]["hidden"] = [
            _prune(block, parameters.decoder_share) for block in student.decoder.trunk
        ]
    return config, student


def _prune(block: nn.Module, share: float) -> int:
    """Prunes the least important hidden channels of a block; returns how many are left."""
    assert isinstance(block, ModulatedConv | ResidualConv)
    block.requires_grad_(True)
    channels, width = block.first.out_channels, block.first.in_channels
    kept = max(ROUND_TO, round(channels * (1 - share) / ROUND_TO) * ROUND_TO)
    if kept >= channels:
        return channels
    example: tuple[torch.Tensor, ...] = (torch.zeros(1, width, GRID, GRID),)
    if isinstance(block, ModulatedConv):
        example += (torch.zeros(1, width),)
    graph = tp.DependencyGraph().build_dependency(block, example)
    everything = graph.get_pruning_group(block.first, tp.prune_conv_out_channels, list(range(channels)))
    importance = tp.importance.GroupMagnitudeImportance(p=2)(everything)
    least = importance.argsort()[: channels - kept].tolist()
    graph.get_pruning_group(block.first, tp.prune_conv_out_channels, least).prune()
    return kept

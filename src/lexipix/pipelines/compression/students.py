"""Smaller networks from a trained generator: a small one of its kind, and itself with channels pruned."""

import copy
from typing import Any

import torch
import torch_pruning as tp
from torch import nn

from lexipix.config.compression import PrunedParameters, SmallParameters
from lexipix.networks.blocks import ResidualConv
from lexipix.networks.build import text_to_image
from lexipix.networks.text_prior import ModulatedConv
from lexipix.networks.text_to_image import TextToImage
from lexipix.networks.upsampling import UpsamplingDecoder
from lexipix.networks.vae import GRID, Decoder

ROUND_TO = 8  # channels that are no multiple of this waste vector lanes


def small(
    teacher: TextToImage, network: dict[str, Any], parameters: SmallParameters
) -> tuple[dict[str, Any], TextToImage]:
    """A small network that draws from the same noise, with random weights where it shares none.

    Args:
        teacher: The trained generator.
        network: Its dictionary.
        parameters: Sizes.

    Returns:
        The student's dictionary, as :func:`lexipix.networks.build.text_to_image` takes it, and the student.
    """
    config = copy.deepcopy(network)
    patches = not isinstance(teacher.decoder, UpsamplingDecoder)
    prior = config["prior"]
    prior |= {"width": parameters.width, "depth": parameters.depth, "hidden": None}
    if not patches:
        prior["latent_channels"] = parameters.width
        config["decoder"] |= {"latent_channels": parameters.width, "width": parameters.width}
    else:
        config["decoder"] |= {
            "width": parameters.decoder_width, "depth": parameters.decoder_depth, "hidden": None,
        }  # fmt: skip
    own = parameters.reads == "own"
    if own:
        width = parameters.text_width
        config["language_model"] = None
        config["text_encoder"] |= {"width": width, "depth": parameters.text_depth, "vector_width": width}
        prior |= {"text_width": width, "vector_width": width, "memory": 0}
    elif not patches:
        prior["memory"] = 0  # it remembers latents of another kind
    student = text_to_image(config)
    if not own:
        assert student.language_model is not None and teacher.language_model is not None
        student.language_model.load_state_dict(teacher.language_model.state_dict())
        student.text_encoder.load_state_dict(teacher.text_encoder.state_dict())
        if student.prior.memory is not None and teacher.prior.memory is not None:
            student.prior.memory.load_state_dict(teacher.prior.memory.state_dict())
    if isinstance(student.decoder, Decoder) and isinstance(teacher.decoder, Decoder):
        student.decoder.linear.load_state_dict(teacher.decoder.linear.state_dict())
    return config, student


def pruned(
    teacher: TextToImage, network: dict[str, Any], parameters: PrunedParameters
) -> tuple[dict[str, Any], TextToImage]:
    """A generator without the least important channels inside its residual convolution blocks.

    The channels between the two convolutions of a block depend on nothing else, so that a share of them can
    go from each block by itself; importance is the norm of the weights that make and read a channel (Torch-
    Pruning, Fang et al. 2023, arXiv 2301.12900). The channels of the residual stream stay.

    Args:
        teacher: The trained generator; left as it is.
        network: Its dictionary.
        parameters: How much goes.

    Returns:
        The pruned network's dictionary and the network.
    """
    student = copy.deepcopy(teacher)
    config = copy.deepcopy(network)
    config["prior"]["hidden"] = [_prune(block, parameters.share) for block in student.prior.blocks]
    if not isinstance(student.decoder, UpsamplingDecoder):
        config["decoder"]["hidden"] = [_prune(block, parameters.share) for block in student.decoder.trunk]
    return config, student


def _prune(block: nn.Module, share: float) -> int:
    """Take the least important hidden channels from a block; gives how many are left."""
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

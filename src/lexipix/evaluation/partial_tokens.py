"""Images from a caption and some of their own image tokens; the token generator adds the others.

Tokens are given from coarse to fine: the first token of some cells, the first of all cells, the second of all
cells, and so on. A token costs the logarithm of its codebook's size. The same tokens are also decoded alone,
with the mean embedding in place of all others, which needs no caption.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.evaluation.text_paths import noise_for, trained_precision
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.vae import GRID
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.types import ModelBundle

Pixels = NDArray[np.uint8]
# First row and column of given cells: near the middle, and also given by every finer spacing
FIRST = 3


@dataclass(frozen=True)
class PartialInformation:
    """Images reconstructed from a part of the information about them.

    Attributes:
        path: Kind of information.
        setting: How much of it.
        bits: Of each image, (N,).
        images: uint8 (N, H, W, 3).
    """

    path: str
    setting: str
    bits: NDArray[np.float64]
    images: Pixels


def token_masks(tokens_per_cell: int, spacings: Sequence[int]) -> dict[str, Tensor]:
    """Returns which tokens are given, bool (tokens per cell, 64), by setting; each includes those before it.

    Args:
        tokens_per_cell: Tokens of a cell.
        spacings: Distances of the cells, in both directions, whose first tokens alone are given.
    """
    masks = {}
    for spacing in spacings:
        line = torch.arange(GRID) % spacing == FIRST % spacing
        cells = (line[:, None] & line).flatten()
        mask = torch.zeros(tokens_per_cell, GRID**2, dtype=torch.bool)
        mask[0] = cells
        masks[f"1 token of {int(cells.sum())} cells"] = mask
    for n_known in range(1, tokens_per_cell + 1):
        mask = (torch.arange(tokens_per_cell) < n_known)[:, None].expand(-1, GRID**2)
        masks[f"{n_known} token{'s' if n_known > 1 else ''} of all cells"] = mask
    return masks


def reconstruct_from_tokens(
    bundle: ModelBundle,
    images: Pixels,
    captions: Sequence[str],
    caption_bits: NDArray[np.float64],
    spacings: Sequence[int],
    run: RunParameters,
    batch_size: int,
) -> list[PartialInformation]:
    """Draws images from captions and given tokens, and from the tokens alone.

    Args:
        bundle: A ``tokens_to_image``; it draws in the precision of its training, the n-th image with the n-th
            noise, as the text path does.
        images: Images whose tokens are given, uint8 (N, H, W, 3).
        captions: Theirs.
        caption_bits: Cost of each caption, (N,).
        spacings: See :func:`token_masks`.
        run: Its seed decides the noise.
        batch_size: Images per batch.

    Returns:
        The caption without any token (path ``caption``, setting ``tokens``); then for each setting the paths
        ``tokens`` (with the caption) and ``tokens_alone``.
    """
    model = load_network(bundle, TokensToImage).to(resolve_device(run))
    masks = token_masks(model.token_generator.tokens_per_cell, spacings)
    bits = {name: _token_bits(mask, model.token_generator.codebook_sizes) for name, mask in masks.items()}
    drawn: defaultdict[tuple[str, str], list[Pixels]] = defaultdict(list)
    precision, ids = trained_precision(bundle, run), token_ids(bundle, captions)
    noise = noise_for(len(ids), model.noise_dim, run)
    with torch.inference_mode(), precision.autocast():
        for start in range(0, len(ids), batch_size):
            rows = slice(start, start + batch_size)
            for key, pixels in _draw_batch(model, images[rows], ids[rows], noise[rows], masks):
                drawn[key].append(pixels)
    costs = {"caption": caption_bits, "tokens": caption_bits, "tokens_alone": np.zeros(len(ids))}
    return [
        PartialInformation(path, name, costs[path] + bits.get(name, 0.0), np.concatenate(batches))
        for (path, name), batches in drawn.items()
    ]


def _draw_batch(
    model: TokensToImage, images: Pixels, ids: Tensor, noise: Tensor, masks: dict[str, Tensor]
) -> Iterator[tuple[tuple[str, str], Pixels]]:
    """Yields the images of a batch by path and setting."""
    device = next(model.parameters()).device
    ids, noise = ids.to(device), noise.to(device)
    with torch.autocast(device.type, enabled=False):  # an image's tokens are those of the full precision
        tokens = model.image_tokenizer.tokenize(normalize(torch.from_numpy(np.array(images)).to(device)))
    unknown = model.token_generator.masked_tokens(len(tokens))
    yield ("caption", "tokens"), to_uint8(model(ids, noise))
    for name, mask in masks.items():
        known = torch.where(mask.to(device), tokens, unknown)
        yield ("tokens", name), to_uint8(model.decode_tokens(model.complete(known, ids, noise)))
        yield ("tokens_alone", name), to_uint8(model.decode_tokens(known))


def _token_bits(mask: Tensor, codebooks: Sequence[int]) -> float:
    """Bits of given tokens, (tokens per cell, 64), at the logarithm of the codebook's size each."""
    return float((mask.sum(1).double() * torch.tensor(codebooks).double().log2()).sum())

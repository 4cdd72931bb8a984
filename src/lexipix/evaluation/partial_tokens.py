"""Pictures of which the caption and the first of their own visual words are told; the writer adds the rest.

Words are given from coarse to fine: the first word of some cells, the first of all, the second of all, and so
on. Each costs the logarithm of its codebook's size. Beside it stand the same words with all others taken for
average, which needs no caption.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.evaluation.round_trips import noise_for
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.vae import GRID
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import Precision, resolve_device
from lexipix.utils.types import ModelBundle

Pixels = NDArray[np.uint8]
# Of the rows and columns of cells that are given: near the middle, and among those of any finer grid
FIRST = 3


@dataclass(frozen=True)
class Told:
    """What came back of pictures of which something was told.

    Attributes:
        path: Kind of what was told.
        setting: How much of it.
        bits: Of each picture, (N,).
        images: uint8 (N, H, W, 3).
    """

    path: str
    setting: str
    bits: NDArray[np.float64]
    images: Pixels


def settings(n_words: int, apart: Sequence[int]) -> dict[str, Tensor]:
    """Which words are given, bool (words per cell, 64) by name; each setting holds those of the one before.

    Args:
        n_words: In a cell.
        apart: First the first words of every so many cells in either direction.
    """
    found = {}
    for distance in apart:
        line = torch.arange(GRID) % distance == FIRST % distance
        cells = (line[:, None] & line).flatten()
        given = torch.zeros(n_words, GRID**2, dtype=torch.bool)
        given[0] = cells
        found[f"1 word of {int(cells.sum())} cells"] = given
    for known in range(1, n_words + 1):
        given = (torch.arange(n_words) < known)[:, None].expand(-1, GRID**2)
        found[f"{known} word{'s' if known > 1 else ''} of all cells"] = given
    return found


def told_in_words(
    bundle: ModelBundle,
    images: Pixels,
    captions: Sequence[str],
    caption_bits: NDArray[np.float64],
    apart: Sequence[int],
    run: RunParameters,
    batch_size: int,
) -> list[Told]:
    """Pictures drawn from captions and given words, and from the words alone.

    Args:
        bundle: A ``tokens_to_image``; it draws in the precision in which the writer was trained, the n-th
            picture with the n-th noise, as the text path does.
        images: uint8 (N, H, W, 3), whose words are given.
        captions: Theirs.
        caption_bits: What these cost, (N,).
        apart: As for :func:`settings`.
        run: Its seed decides the noise.
        batch_size: Pictures at a time.

    Returns:
        The caption without any word (path ``caption``, setting ``words``); then for each setting paths
        ``words`` and ``words_alone``.
    """
    device = resolve_device(run)
    model = load_network(bundle, TokensToImage).to(device)
    ids = token_ids(bundle, captions)
    noise = noise_for(len(ids), model.noise_dim, run)
    precision = Precision.from_name(str(bundle.card["figures"]["precision"]), run)
    given = settings(model.token_generator.tokens_per_cell, apart)
    plain = {name: _plain_bits(mask, model.token_generator.codebook_sizes) for name, mask in given.items()}
    pictures: dict[tuple[str, str], list[Pixels]] = {}
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        some_ids, some_noise = ids[rows].to(device), noise[rows].to(device)
        with torch.inference_mode():
            whole = model.image_tokenizer.tokenize(normalize(torch.from_numpy(images[rows]).to(device)))
            blank = model.token_generator.masked_tokens(len(whole))
            with precision.autocast():
                drawn = to_uint8(model(some_ids, some_noise))
            pictures.setdefault(("caption", "words"), []).append(drawn)
            for name, mask in given.items():
                known = torch.where(mask.to(device), whole, blank)
                with precision.autocast():
                    completed = model.complete(known, some_ids, some_noise)
                    drawn = to_uint8(model.decode_tokens(completed))
                    alone = to_uint8(model.decode_tokens(known))
                pictures.setdefault(("words", name), []).append(drawn)
                pictures.setdefault(("words_alone", name), []).append(alone)
    told = []
    for (path, name), parts in pictures.items():
        together = np.concatenate(parts)
        if path == "caption":
            told.append(Told(path, name, caption_bits, together))
        elif path == "words":
            told.append(Told(path, name, caption_bits + plain[name], together))
        else:
            told.append(Told(path, name, np.full(len(images), plain[name]), together))
    return told


def _plain_bits(given: Tensor, codebooks: Sequence[int]) -> float:
    """Bits of given words, (words per cell, 64), each written with its codebook's length."""
    return float((given.sum(1).double() * torch.tensor(codebooks).double().log2()).sum())

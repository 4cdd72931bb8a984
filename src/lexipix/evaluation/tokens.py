"""The path by visual words: from captions, and pictures through the words and back."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from lexipix.config.run import RunParameters
from lexipix.data.images import normalize, to_uint8
from lexipix.evaluation.baselines import quality
from lexipix.evaluation.round_trips import from_captions
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.bundles import load_network
from lexipix.training.precision import Precision, resolve_device
from lexipix.utils.types import ModelBundle

Pixels = NDArray[np.uint8]


def by_words(bundle: ModelBundle, captions: Sequence[str], run: RunParameters, batch_size: int) -> Pixels:
    """One picture for each caption, in words that are written in a few passes.

    It is drawn in the precision in which the writer was trained.

    Args:
        bundle: A ``tokens_to_image``.
        captions: N texts.
        run: Its seed decides the noise; the n-th caption always gets the n-th noise.
        batch_size: Captions at a time.

    Returns:
        uint8 (N, H, W, 3).
    """
    with Precision.from_name(str(bundle.card["figures"]["precision"]), run).autocast():
        return from_captions(bundle, captions, run, batch_size)


def round_trip(bundle: ModelBundle, images: Pixels, run: RunParameters, batch_size: int) -> dict[str, float]:
    """How pictures come back from their visual words, all of them.

    Args:
        bundle: A ``tokens_to_image``.
        images: uint8 (N, H, W, 3).
        run: Chooses the device.
        batch_size: Pictures at a time.

    Returns:
        ``psnr``, ``ssim``, and ``bits_per_image``: the logarithm of the number of things the words can say.
    """
    device = resolve_device(run)
    image_tokenizer = load_network(bundle, TokensToImage).image_tokenizer.to(device)
    back = []
    with torch.inference_mode():
        for start in range(0, len(images), batch_size):
            batch = normalize(torch.from_numpy(np.array(images[start : start + batch_size])).to(device))
            words = image_tokenizer.tokenize(batch)  # whole numbers: nothing else goes from here to there
            back.append(to_uint8(image_tokenizer.decode(image_tokenizer.codes(words))))
    return quality(images, np.concatenate(back)) | {"bits_per_image": image_tokenizer.bits}

"""Captions for many pictures, batch by batch."""

import logging
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.data.images import ImageRows, Images
from lexipix.data.tokenization import decode, encode
from lexipix.models.captioner import Captioner
from lexipix.training.precision import Precision

logger = logging.getLogger(__name__)

BATCH = 256
FIRST_ESTIMATE_SECONDS = 5.0
LOG_EVERY_SECONDS = 30.0


def write_captions(
    captioner: Captioner,
    tokenizer: Tokenizer,
    images: Images,
    max_tokens: int,
    *,
    beams: int = 1,
    device: torch.device,
) -> list[str]:
    """Caption pictures.

    Args:
        captioner: Trained, in evaluation mode.
        tokenizer: Of the captioner.
        images: uint8 (N, S, S, 3).
        max_tokens: Longest caption, EOS included.
        beams: 1 writes greedily.
        device: Where to work; the captioner is moved there, convolutions in channels_last.

    Returns:
        N captions.
    """
    Precision(device, bf16=False).prepare({"captioner": captioner})
    rows = ImageRows(images, device)
    captions: list[str] = []
    start = last = time.monotonic()
    wait = FIRST_ESTIMATE_SECONDS
    for batch in torch.arange(len(rows)).split(BATCH):
        captions += decode(tokenizer, _ids(captioner, rows[batch], max_tokens, beams).cpu().numpy())
        if time.monotonic() - last > wait:
            last, wait = time.monotonic(), LOG_EVERY_SECONDS
            rate = len(captions) / (last - start)
            left = (len(rows) - len(captions)) / rate
            logger.info(
                "captioner: %s of %s pictures captioned, %.0f a second, about %.0f s left",
                f"{len(captions):,}", f"{len(rows):,}", rate, left,
            )  # fmt: skip
    return captions


def sequence_confidence(
    captioner: Captioner,
    tokenizer: Tokenizer,
    images: Images,
    captions: Sequence[str],
    max_tokens: int,
    *,
    device: torch.device,
) -> NDArray[np.float32]:
    """Tell how sure the captioner is of captions.

    Args:
        captioner: Trained, in evaluation mode.
        tokenizer: Of the captioner.
        images: uint8 (N, S, S, 3).
        captions: One for each picture.
        max_tokens: Longer ones are cut.
        device: Where to work; the captioner is moved there.

    Returns:
        The probability of a caption's tokens, geometric mean: (N,) in [0, 1].
    """
    Precision(device, bf16=False).prepare({"captioner": captioner})
    rows = ImageRows(images, device)
    ids = torch.from_numpy(encode(tokenizer, captions, max_tokens)).to(device)
    sure = []
    with torch.inference_mode():
        for batch in torch.arange(len(rows)).split(BATCH):
            sure.append(-captioner.mean_nll(ids[batch], captioner.encode_images(rows[batch])))
    return torch.cat(sure).exp().cpu().numpy()


def _ids(captioner: Captioner, images: Tensor, max_tokens: int, beams: int) -> Tensor:
    with torch.inference_mode():
        return captioner.generate(images, max_tokens, beams)

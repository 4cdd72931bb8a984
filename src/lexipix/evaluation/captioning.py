"""The captioner applied to many images, batch by batch."""

import logging
import time
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.data.images import ImageRows, Images
from lexipix.data.tokenization import decode, encode
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import Precision
from lexipix.utils.types import ModelBundle

logger = logging.getLogger(__name__)

BATCH = 256
FIRST_LOG_SECONDS = 5.0
LOG_EVERY_SECONDS = 30.0


def load_captioner(bundle: ModelBundle) -> tuple[Captioner, Tokenizer]:
    """Returns a captioner in evaluation mode, and its tokenizer."""
    return load_network(bundle, Captioner), tokenizer_of(bundle)


def write_captions(
    captioner: Captioner,
    tokenizer: Tokenizer,
    images: Images,
    max_tokens: int,
    *,
    beams: int = 1,
    device: torch.device,
) -> list[str]:
    """Writes captions for images.

    Args:
        captioner: Trained, in evaluation mode; it is moved to the device.
        tokenizer: Of the captioner.
        images: uint8 (N, S, S, 3).
        max_tokens: Longest caption, EOS included.
        beams: 1 decodes greedily.
        device: Where to compute, with convolutions in channels_last.

    Returns:
        N captions.
    """
    Precision(device, bf16=False).prepare({"captioner": captioner})
    rows = ImageRows(images, device)
    captions: list[str] = []
    start = last = time.monotonic()
    wait = FIRST_LOG_SECONDS
    for batch in torch.arange(len(rows)).split(BATCH):
        with torch.inference_mode():
            ids = captioner.generate(rows[batch], max_tokens, beams)
        captions += decode(tokenizer, ids.cpu().numpy())
        if time.monotonic() - last > wait:
            last, wait = time.monotonic(), LOG_EVERY_SECONDS
            rate = len(captions) / (last - start)
            logger.info(
                "captioner: %s of %s images captioned, %.0f a second, about %.0f s left",
                f"{len(captions):,}", f"{len(rows):,}", rate, (len(rows) - len(captions)) / rate,
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
    """Returns the captioner's probability of captions.

    Args:
        captioner: Trained, in evaluation mode; it is moved to the device.
        tokenizer: Of the captioner.
        images: uint8 (N, S, S, 3).
        captions: One for each image.
        max_tokens: Longer captions are cut.
        device: Where to compute.

    Returns:
        The geometric mean of the probabilities of a caption's tokens, (N,) in [0, 1].
    """
    Precision(device, bf16=False).prepare({"captioner": captioner})
    rows = ImageRows(images, device)
    ids = torch.from_numpy(encode(tokenizer, captions, max_tokens)).to(device)
    log_probabilities = []
    with torch.inference_mode():
        for batch in torch.arange(len(rows)).split(BATCH):
            log_probabilities.append(-captioner.surprise(ids[batch], captioner.read(rows[batch])))
    return torch.cat(log_probabilities).exp().cpu().numpy()

"""Captions for many pictures, batch by batch."""

import logging
import time

import torch
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.networks.captioner import Captioner
from lexipix.training.data import ImageRows, Images
from lexipix.training.machine import Machine
from lexipix.training.tokenization import decode

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
    Machine(device, bf16=False).prepare({"captioner": captioner})
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


def _ids(captioner: Captioner, images: Tensor, max_tokens: int, beams: int) -> Tensor:
    with torch.inference_mode():
        return captioner.generate(images, max_tokens, beams)

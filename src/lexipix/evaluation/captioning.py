"""The captioner applied to many images, batch by batch."""

import logging
import time
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.config.run import RunParameters
from lexipix.data.captioned import with_generated
from lexipix.data.images import ImageRows, Images, Subset
from lexipix.data.tokenization import decode, encode
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import Precision, resolve_device
from lexipix.utils.progress import track
from lexipix.utils.types import ModelBundle, Split

logger = logging.getLogger(__name__)

BATCH = 256


def write_captions(
    captioner: Captioner,
    tokenizer: Tokenizer,
    images: Images,
    max_tokens: int,
    *,
    beams: int = 1,
    device: torch.device,
) -> list[str]:
    """Returns a caption for each image, uint8 (N, S, S, 3), of at most ``max_tokens``, EOS included.

    The captioner is in evaluation mode, and is moved to the device. One beam decodes greedily.
    """
    Precision(device, bf16=False).prepare({"captioner": captioner})
    rows = ImageRows(images, device)
    captions: list[str] = []
    for batch in track(torch.arange(len(rows)).split(BATCH), len(rows), "captioner", size=len):
        with torch.inference_mode():
            ids = captioner.generate(rows[batch], max_tokens, beams)
        captions += decode(tokenizer, ids.cpu().numpy())
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
    """Returns the captioner's probability of a caption for each image; longer captions are cut.

    Returns:
        The geometric mean of the probabilities of a caption's tokens, (N,) in [0, 1].
    """
    Precision(device, bf16=False).prepare({"captioner": captioner})
    rows = ImageRows(images, device)
    ids = torch.from_numpy(encode(tokenizer, captions, max_tokens)).to(device)
    log_probabilities = []
    with torch.inference_mode():
        for batch in torch.arange(len(rows)).split(BATCH):
            log_probabilities.append(-captioner.mean_nll(ids[batch], captioner.encode_images(rows[batch])))
    return torch.cat(log_probabilities).exp().cpu().numpy()


def fill_missing_captions(
    bundle: ModelBundle, split: Split, run: RunParameters, beams: int = 1, min_confidence: float = 0.0
) -> pd.DataFrame:
    """Returns a copy of a split's table with captions of the captioner where none is given.

    A caption of less confidence than ``min_confidence`` is left out; 0 takes all.
    """
    rows = np.flatnonzero(split.captions["caption"].isna().to_numpy())
    if not len(rows):
        return split.captions.copy()
    captioner, tokenizer = load_network(bundle, Captioner), tokenizer_of(bundle)
    images, max_tokens, device = Subset(split.images, rows), bundle.config["max_tokens"], resolve_device(run)
    captions = write_captions(captioner, tokenizer, images, max_tokens, beams=beams, device=device)
    kept = np.arange(len(rows))
    if min_confidence > 0:
        confidence = sequence_confidence(captioner, tokenizer, images, captions, max_tokens, device=device)
        kept = np.flatnonzero(confidence >= min_confidence)
    logger.info(
        "captioner: %s of %s images without a caption captioned with confidence of at least %g",
        f"{len(kept):,}", f"{len(rows):,}", min_confidence,
    )  # fmt: skip
    return with_generated(split.captions, rows[kept], [captions[i] for i in kept])


def caption_split(
    bundle: ModelBundle, split: Split, run: RunParameters, beams: int
) -> tuple[pd.DataFrame, float]:
    """Returns a table (file, caption, truth) of a split's images, and the captions written per second."""
    start = time.perf_counter()
    captioner, tokenizer = load_network(bundle, Captioner), tokenizer_of(bundle)
    max_tokens, device = bundle.config["max_tokens"], resolve_device(run)
    captions = write_captions(captioner, tokenizer, split.images, max_tokens, beams=beams, device=device)
    rate = len(captions) / max(time.perf_counter() - start, 1e-9)
    given = split.captions
    table = pd.DataFrame({"file": given["file"], "caption": captions, "truth": given["caption"]})
    return table, round(rate, 1)

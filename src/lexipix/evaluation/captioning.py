"""The captioner applied to many images, batch by batch."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.config.run import RunParameters
from lexipix.data.captioned import with_generated
from lexipix.data.images import ImageRows, Images, Subset
from lexipix.data.tokenization import decode, encode
from lexipix.engines.base import Engine, row_parts
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import fingerprint, load_network, tokenizer_of
from lexipix.training.precision import Precision, resolve_device
from lexipix.utils.progress import track
from lexipix.utils.types import ImageSplits, ModelBundle, SplitName

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


@dataclass(frozen=True)
class SplitCaptioning:
    """The captioner of a bundle and the images of a split; it can cross to another process."""

    bundle: ModelBundle
    image_splits: ImageSplits
    split: SplitName
    run: RunParameters
    beams: int = 1
    with_confidence: bool = False

    def write(self, rows: NDArray[np.int64], engine: Engine) -> list[tuple[str, float]]:
        """Returns captions of the ``rows`` (n,) with their confidence, or 1 without ``with_confidence``."""

        def key() -> str:
            digest, options = self.image_splits.digest, f"{self.beams} {self.with_confidence} {len(rows)}"
            return f"captions-{self.split}/{fingerprint(self.bundle, self.run, digest, options)}"

        parts = [rows[part] for part in row_parts(len(rows))]
        contents = engine.contents(key, _caption_rows, parts, self)
        return [(text, confidence) for content in contents for text, confidence in content]


def _caption_rows(rows: NDArray[np.int64], task: SplitCaptioning) -> list[tuple[str, float]]:
    captioner, tokenizer = load_network(task.bundle, Captioner), tokenizer_of(task.bundle)
    images, device = Subset(task.image_splits[task.split].images, rows), resolve_device(task.run)
    max_tokens = task.bundle.config["max_tokens"]
    captions = write_captions(captioner, tokenizer, images, max_tokens, beams=task.beams, device=device)
    if not task.with_confidence:
        return [(caption, 1.0) for caption in captions]
    confidence = sequence_confidence(captioner, tokenizer, images, captions, max_tokens, device=device)
    return list(zip(captions, map(float, confidence), strict=True))


def fill_missing_captions(
    bundle: ModelBundle,
    image_splits: ImageSplits,
    run: RunParameters,
    beams: int,
    min_confidence: float,
    engine: Engine,
) -> pd.DataFrame:
    """Returns a copy of the training split's table with captions of the captioner where none is given.

    A caption of less confidence than ``min_confidence`` is left out; 0 takes all.
    """
    table = image_splits.train.captions
    rows = np.flatnonzero(table["caption"].isna().to_numpy())
    if not len(rows):
        return table.copy()
    task = SplitCaptioning(bundle, image_splits, "train", run, beams, min_confidence > 0)
    written = task.write(rows, engine)
    kept = np.flatnonzero([np.float32(confidence) >= min_confidence for _, confidence in written])
    logger.info(
        "captioner: %s of %s images without a caption captioned with confidence of at least %g",
        f"{len(kept):,}", f"{len(rows):,}", min_confidence,
    )  # fmt: skip
    return with_generated(table, rows[kept], [written[i][0] for i in kept])


def caption_test_split(
    bundle: ModelBundle, image_splits: ImageSplits, run: RunParameters, beams: int, engine: Engine
) -> tuple[pd.DataFrame, float]:
    """Returns a table (file, caption, truth) of the test images, and the captions written per second."""
    start, given = time.perf_counter(), image_splits.test.captions
    written = SplitCaptioning(bundle, image_splits, "test", run, beams).write(np.arange(len(given)), engine)
    rate = len(written) / max(time.perf_counter() - start, 1e-9)
    captions = [caption for caption, _ in written]
    table = pd.DataFrame({"file": given["file"], "caption": captions, "truth": given["caption"]})
    return table, round(rate, 1)

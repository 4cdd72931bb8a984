"""Quality of images over the information given about them: nothing, class, caption, image tokens, latent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import ImageRows, Subset, evenly_spaced, to_uint8
from lexipix.evaluation.baselines import mean_image, mean_psnr_ssim
from lexipix.evaluation.direct_path import LatentCodec
from lexipix.evaluation.evaluated_images import EvaluatedImages, Pixels
from lexipix.evaluation.rate import LatentCoder
from lexipix.evaluation.text_paths import draw_captions, noise_for, trained_precision
from lexipix.models.captioner import Captioner
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.models.vae import GRID
from lexipix.scenes import SceneTruth
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ModelBundle, Split

COLUMNS = ("path", "setting", "bits_per_image", "psnr", "ssim")
FLOAT_BITS = 32  # of a latent's number that is not rounded
# First row and column of given cells: near the middle, and also given by every finer spacing
FIRST = 3


@dataclass(frozen=True)
class PartialInformation:
    """Images reconstructed from some information: its kind, how much, its bits for each image or for all."""

    path: str
    setting: str
    bits: NDArray[Any] | float
    images: Pixels


def information_curve(
    evaluation: EvaluationParameters,
    run: RunParameters,
    real: EvaluatedImages,
    train: Split,
    captioner: ModelBundle,
    vae: ModelBundle,
    text_models: dict[str, ModelBundle],
) -> tuple[pd.DataFrame, int]:
    """Measures PSNR and SSIM of the same test images over the bits that are given about an image.

    The caption is the true one, so that errors of the captioner do not count. ``text_models`` are ``vae``,
    ``gan`` and ``tokens``. If ``evaluation.information.n_images`` is null, nothing is measured.

    Returns:
        A row for each kind and amount of information (:data:`COLUMNS`; means over images), and the number of
        images. Images without a true caption are left out; if none has one, the captioner's are used.
    """
    parameters, batch_size = evaluation.information, evaluation.batch_size
    indices = choose_images(real, parameters.n_images)
    if not len(indices):
        return pd.DataFrame(columns=list(COLUMNS)), 0
    images = np.array(real.images[indices])
    captions = [str(real.references[i] or real.prompts[i]) for i in indices]
    bits = caption_bits(captioner, captions, run, batch_size)
    found = from_nothing_and_class(real, indices, train)
    for name, bundle in text_models.items():
        if not is_skipped(bundle):
            drawn = draw_captions(bundle, captions, run, batch_size)
            found.append(PartialInformation("caption", name, bits, drawn))
    if not is_skipped(tokens := text_models["tokens"]):
        found += from_tokens(tokens, images, captions, bits, parameters.spacings, run, batch_size)
    if real.scenes is not None and (scenes := SceneTruth.of(captions, images.shape[1])) is not None:
        found.append(PartialInformation("caption", "rendered again", bits, scenes.redraw(None)))
    codec = LatentCodec(vae, run, batch_size)
    coder = LatentCoder(codec, images, train.images)
    for step in sorted(parameters.steps, reverse=True):
        decoded, latent_bits = coder.with_steps(step)
        found.append(PartialInformation("latent", f"steps of {step:g}", latent_bits, decoded))
    whole = float(FLOAT_BITS * coder.latents[0].size)
    found.append(PartialInformation("latent", "not rounded", whole, codec.decode(coder.latents)))
    rows = [
        (one.path, one.setting, float(np.mean(one.bits)), *mean_psnr_ssim(images, one.images).values())
        for one in found
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)), len(images)


def choose_images(real: EvaluatedImages, limit: int | None) -> NDArray[np.intp]:
    """Returns at most ``limit`` (None: no) evenly spaced images with a caption, else of all."""
    if limit is None:
        return np.zeros(0, np.intp)
    captioned = np.array([i for i, text in enumerate(real.references) if text], np.intp)
    candidates = captioned if len(captioned) else np.arange(len(real.references))
    return candidates[evenly_spaced(len(candidates), limit)]


def caption_bits(
    captioner: ModelBundle, captions: list[str], run: RunParameters, batch_size: int
) -> NDArray[np.float64]:
    """Returns the bits that the captioner's language model needs for captions without the image, (N,).

    A better language model would need fewer: they are an upper bound of the information.
    """
    device = resolve_device(run)
    network = load_network(captioner, Captioner).to(device)
    ids = token_ids(captioner, captions)
    with torch.inference_mode():
        bits = [network.description_bits(batch.to(device)).cpu() for batch in ids.split(batch_size)]
    return torch.cat(bits).double().numpy()


def from_nothing_and_class(
    real: EvaluatedImages, indices: NDArray[np.intp], train: Split
) -> list[PartialInformation]:
    """Returns the mean training image, and that of the class if training has the classes of all images.

    The class costs the entropy of the classes of all images under evaluation.
    """
    mean = np.broadcast_to(mean_image(train.images), (len(indices), *real.images.shape[1:]))
    found = [PartialInformation("nothing", "mean image", 0.0, mean)]
    labels, known = real.table["label"], train.captions["label"]
    if labels.isna().any() or labels.nunique() < 2 or not set(labels) <= set(known.dropna()):
        return found
    shares = labels.value_counts(normalize=True).to_numpy()
    entropy = np.full(len(indices), float(-(shares * np.log2(shares)).sum()))
    chosen = labels.iloc[indices].tolist()
    means = {label: mean_image(Subset(train.images, np.flatnonzero(known == label))) for label in set(chosen)}
    images = np.stack([means[label] for label in chosen])
    return [*found, PartialInformation("class", "mean image of the class", entropy, images)]


def token_masks(tokens_per_cell: int, spacings: Sequence[int]) -> dict[str, Tensor]:
    """Returns which tokens are given, bool (tokens per cell, 64), by setting; each includes those before it.

    Spacings are distances of the cells, in both directions, whose first tokens alone are given.
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


def from_tokens(
    bundle: ModelBundle,
    images: Pixels,
    captions: Sequence[str],
    caption_bits: NDArray[np.float64],
    spacings: Sequence[int],
    run: RunParameters,
    batch_size: int,
) -> list[PartialInformation]:
    """Draws images from captions and given tokens, from coarse to fine, and decodes the given tokens alone.

    The token generator adds the other tokens, with the precision and noise of the text path. Without it, all
    other tokens have the code zero, the mean of all codes. A token costs the logarithm of its codebook's
    size, and a caption its ``caption_bits``, (N,). Images are uint8 (N, H, W, 3).

    Returns:
        For each setting the paths ``tokens`` (with the caption) and ``tokens_alone``.
    """
    device = resolve_device(run)
    model = load_network(bundle, TokensToImage).to(device)
    rows, ids = ImageRows(images, device), token_ids(bundle, captions).to(device)
    noise = noise_for(len(ids), model.noise_dim, run).to(device)
    bits_of_token = torch.tensor(model.token_generator.codebook_sizes).double().log2()
    batches = torch.arange(len(ids)).split(batch_size)
    found = []
    with torch.inference_mode():
        tokens = torch.cat([model.image_tokenizer.tokenize(rows[batch]) for batch in batches])
        unknown = model.token_generator.masked_tokens(len(tokens))
        with trained_precision(bundle, run).autocast():
            for name, mask in token_masks(len(bits_of_token), spacings).items():
                bits = float((mask.sum(1).double() * bits_of_token).sum())
                known = torch.where(mask.to(device), tokens, unknown)
                completed = torch.cat([model.complete(known[i], ids[i], noise[i]) for i in batches])
                for path, grid, cost in (
                    ("tokens", completed, caption_bits + bits),
                    ("tokens_alone", known, bits),
                ):
                    decoded = [to_uint8(model.decode_tokens(part)) for part in grid.split(batch_size)]
                    found.append(PartialInformation(path, name, cost, np.concatenate(decoded)))
    return found

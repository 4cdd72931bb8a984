"""Quality of images over the information given about them: nothing, class, caption, image tokens, latent.

All rows are of the same test images. The caption is the true one, so that errors of the captioner do not
count. Its bits are what the captioner's language model needs to encode it without the image. A better
language model would need fewer, so that they are an upper bound of the information. Image tokens are given in
addition to the caption (:mod:`.partial_tokens`).
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation.baselines import mean_image, mean_psnr_ssim
from lexipix.evaluation.direct_path import LatentCodec
from lexipix.evaluation.evaluated_images import EvaluatedImages, evenly_spaced
from lexipix.evaluation.partial_tokens import PartialInformation, reconstruct_from_tokens
from lexipix.evaluation.rate import LatentCoder
from lexipix.evaluation.text_paths import draw_captions
from lexipix.models.captioner import Captioner
from lexipix.scenes import SceneTruth
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ModelBundle, Split

COLUMNS = ("path", "setting", "bits_per_image", "psnr", "ssim")
FLOAT_BITS = 32  # of a latent's number that is not rounded


def information_curve(
    evaluation: EvaluationParameters,
    run: RunParameters,
    real: EvaluatedImages,
    train: Split,
    captioner: ModelBundle,
    vae: ModelBundle,
    text_models: dict[str, ModelBundle],
) -> tuple[pd.DataFrame, int]:
    """Measures PSNR and SSIM over the bits that are given about an image.

    Args:
        evaluation: Parameters; ``information.n_images`` null measures nothing.
        run: Seed and device.
        real: The images under evaluation.
        train: The training split.
        captioner: Its language model gives the bits of captions.
        vae: The direct path.
        text_models: ``vae``, ``gan`` and ``tokens``; the last may be skipped.

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
    for name in ("vae", "gan"):
        drawn = draw_captions(text_models[name], captions, run, batch_size)
        found.append(PartialInformation("caption", name, bits, drawn))
    if not is_skipped(text_models["tokens"]):
        tokens, spacings = text_models["tokens"], parameters.spacings
        found += reconstruct_from_tokens(tokens, images, captions, bits, spacings, run, batch_size)
    if real.scenes is not None and (scenes := SceneTruth.of(captions, images.shape[1])) is not None:
        found.append(PartialInformation("caption", "rendered again", bits, scenes.redraw(None)))
    found += from_latents(LatentCodec(vae, run, batch_size), images, train, parameters.steps)
    rows = [
        (one.path, one.setting, float(one.bits.mean()), *mean_psnr_ssim(images, one.images).values())
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
    """Returns the bits of captions under the captioner's language model without the image, (N,).

    Raises:
        LexipixError: The captioner has no tokenizer.
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
    shape = (len(indices), *real.images.shape[1:])
    mean = np.broadcast_to(mean_image(train.images), shape)
    found = [PartialInformation("nothing", "mean picture", np.zeros(len(indices)), mean)]
    labels, known = real.table["label"], train.captions["label"]
    if labels.isna().any() or labels.nunique() < 2 or not set(labels) <= set(known.dropna()):
        return found
    shares = labels.value_counts(normalize=True).to_numpy()
    entropy = np.full(len(indices), float(-(shares * np.log2(shares)).sum()))
    chosen = labels.iloc[indices].tolist()
    means = {label: mean_image(train.images, np.flatnonzero(known == label)) for label in sorted(set(chosen))}
    images = np.stack([means[label] for label in chosen])
    return [*found, PartialInformation("class", "mean picture of the class", entropy, images)]


def from_latents(
    codec: LatentCodec, images: NDArray[np.uint8], train: Split, steps: tuple[float, ...]
) -> list[PartialInformation]:
    """Returns images of the direct path: latents rounded to steps and entropy-coded, and not rounded.

    Args:
        codec: Encoder and decoder.
        images: uint8 (N, S, S, 3).
        train: Gives the frequencies of the codes.
        steps: In standard deviations of the posterior.
    """
    coder, found = LatentCoder(codec, images, train.images), []
    for step in sorted(steps, reverse=True):
        decoded, bits = coder.with_steps(step)
        found.append(PartialInformation("latent", f"steps of {step:g}", bits.astype(np.float64), decoded))
    whole = np.full(len(images), float(FLOAT_BITS * coder.latents[0].size))
    return [*found, PartialInformation("latent", "not rounded", whole, codec.decode(coder.latents))]

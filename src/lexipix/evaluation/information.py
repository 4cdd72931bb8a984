"""How well pictures come back over what is told of them: nothing, the class, the caption, words, a latent.

Every row is of the same test pictures. The caption is the true one, so that the row says what drawing loses
and nothing of what describing does. Its bits are what the captioner's language model needs to write it down
without having seen the picture; a better reader would need fewer, so they are an upper bound of the
information. Visual words come on top of the caption (:mod:`.given_words`).
"""

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation.baselines import mean_image, quality
from lexipix.evaluation.measure import Evaluated, evaluated, spread
from lexipix.evaluation.partial_tokens import Told, told_in_words
from lexipix.evaluation.rate import N_FITTED, Latents
from lexipix.evaluation.round_trips import from_captions
from lexipix.metrics.quantization import CodeLengths, UniformQuantizer
from lexipix.models.captioner import Captioner
from lexipix.reporting.information import information_figure
from lexipix.reporting.plots import note
from lexipix.scenes import SceneTruth
from lexipix.training.bundles import load_network, token_ids
from lexipix.training.precision import resolve_device
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ImageSplits, ModelBundle, Split

Pixels = NDArray[np.uint8]
COLUMNS = ("path", "setting", "bits_per_image", "psnr", "ssim")
FLOAT_BITS = 32  # of a latent's number that is not rounded


def measure_information(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    captioner_test_captions: pd.DataFrame,
    captioner: ModelBundle,
    vae: ModelBundle,
    prior: ModelBundle,
    gan: ModelBundle,
    words: ModelBundle,
) -> tuple[pd.DataFrame, Pixels]:
    """Measure PSNR and SSIM over the bits that are told of a picture.

    Returns:
        A row for each way and setting (:data:`COLUMNS`; means over pictures), and a plot. Pictures without a
        true caption are not among them; where none has one, the captioner's stand for the true ones.
    """
    parameters = evaluation.information
    real = evaluated(evaluation, pictures, captioner_test_captions)
    rows = chosen_rows(real, parameters.n_images)
    if not len(rows):
        reason = "evaluation.information.n_images is null: not measured"
        return pd.DataFrame(columns=list(COLUMNS)), note("what a picture needs to be told", reason)
    images = np.array(real.images[rows])
    captions = [str(real.truths[row] or real.asked[row]) for row in rows]
    caption_bits = code_lengths(captioner, captions, run, evaluation.batch_size)
    drawn = [
        Told("caption", name, caption_bits, from_captions(model, captions, run, evaluation.batch_size))
        for name, model in (("vae", prior), ("gan", gan))
    ]
    if not is_skipped(words):
        drawn += told_in_words(
            words, images, captions, caption_bits, parameters.apart, run, evaluation.batch_size
        )
    if real.scenes is not None and (scenes := SceneTruth.of(captions, images.shape[1])) is not None:
        drawn.append(Told("caption", "rendered again", caption_bits, scenes.redraw(None)))
    told = [
        *without_words(real, rows, pictures.train),
        *drawn,
        *in_a_latent(vae, images, pictures.train.images, parameters.steps, run, evaluation.batch_size),
    ]
    table = pd.DataFrame([_row(one, images) for one in told], columns=list(COLUMNS))
    return table, information_figure(table, len(images))


def chosen_rows(real: Evaluated, most: int | None) -> NDArray[np.intp]:
    """At most so many (None: none) of the pictures that have a true caption, evenly spread, or of all."""
    if most is None:
        return np.zeros(0, np.intp)
    captioned = np.array([row for row, truth in enumerate(real.truths) if truth], np.intp)
    among = captioned if len(captioned) else np.arange(len(real.truths))
    return among[spread(len(among), most)]


def code_lengths(
    captioner: ModelBundle, captions: list[str], run: RunParameters, batch_size: int
) -> NDArray[np.float64]:
    """Bits of captions for the captioner's language model, which does not see the pictures: (N,).

    Raises:
        LexipixError: The captioner has no tokenizer.
    """
    device = resolve_device(run)
    network = load_network(captioner).to(device)
    assert isinstance(network, Captioner)
    ids = token_ids(captioner, captions)
    with torch.inference_mode():
        found = [network.description_bits(some.to(device)).cpu() for some in ids.split(batch_size)]
    return torch.cat(found).double().numpy()


def without_words(real: Evaluated, rows: NDArray[np.intp], train: Split) -> list[Told]:
    """The mean training picture and, where all pictures have a class that training has, that of the class.

    The class costs the entropy of the classes of all pictures under evaluation.
    """
    shape = (len(rows), *real.images.shape[1:])
    told = [
        Told("nothing", "mean picture", np.zeros(len(rows)), np.broadcast_to(mean_image(train.images), shape))
    ]
    labels, known = real.table["label"], train.captions["label"]
    if labels.isna().any() or labels.nunique() < 2 or not set(labels) <= set(known.dropna()):
        return told
    shares = labels.value_counts(normalize=True).to_numpy()
    entropy = float(-(shares * np.log2(shares)).sum())
    asked = labels.iloc[rows].tolist()
    means = {label: mean_image(train.images, np.flatnonzero(known == label)) for label in sorted(set(asked))}
    drawn = np.stack([means[label] for label in asked])
    return [*told, Told("class", "mean picture of the class", np.full(len(rows), entropy), drawn)]


def in_a_latent(
    vae: ModelBundle,
    images: Pixels,
    train_images: Pixels,
    steps: tuple[float, ...],
    run: RunParameters,
    batch_size: int,
) -> list[Told]:
    """The direct path: latents rounded in steps of the posterior and entropy-coded, and as they are."""
    latents = Latents(vae, run, batch_size)
    sample, deviations = latents.encode(train_images[spread(len(train_images), N_FITTED)])
    flat, numbers = sample.reshape(-1, sample.shape[2]), latents.encode(images)[0]
    told = []
    for width in sorted(steps, reverse=True):
        quantiser = UniformQuantizer.of_step(flat.T, width * deviations)
        codes = quantiser.codes(numbers)
        bits = CodeLengths(quantiser.codes(flat), 2**quantiser.n_bits)(codes).astype(np.float64)
        told.append(Told("latent", f"steps of {width:g}", bits, latents.decode(quantiser.values(codes))))
    whole = np.full(len(images), float(FLOAT_BITS * numbers[0].size))
    return [*told, Told("latent", "not rounded", whole, latents.decode(numbers))]


def _row(told: Told, images: Pixels) -> tuple[str, str, float, float, float]:
    likeness = quality(images, told.images)
    return told.path, told.setting, float(told.bits.mean()), likeness["psnr"], likeness["ssim"]

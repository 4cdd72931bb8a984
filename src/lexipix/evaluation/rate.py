"""What the direct path costs in bits, and what JPEG and WebP make of the same pictures with as many.

Three ways to write a latent down. ``latent``: n bits for each number, over a range of each channel that is
chosen on training pictures; every picture takes the same. ``latent_coded``: the same numbers, so the same
pictures, through an arithmetic coder that knows from training pictures how often each value comes; its length
is computed, in whole bytes for each picture, not written. ``latent_posterior``: likewise, with steps that are
a multiple of the posterior's standard deviation in each channel, so that channels which the encoder itself
holds for less certain get fewer bits. All need the decoder's weights on the other side, as JPEG and WebP need
their programs.
"""

from typing import Any, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters, RateParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import Images, normalize, to_uint8
from lexipix.evaluation.measure import spread
from lexipix.metrics.codecs import JPEG_COLORS, Coded, jpeg, webp
from lexipix.metrics.images import psnr, ssim
from lexipix.metrics.quantization import CodeLengths, UniformQuantizer
from lexipix.models.vae import VAE
from lexipix.reporting.plots import note
from lexipix.reporting.rate import rate_figure, unbeaten
from lexipix.training.bundles import load_network
from lexipix.training.precision import resolve_device
from lexipix.utils.types import ImageSplits, ModelBundle

Pixels = NDArray[np.uint8]
COLUMNS = ("coder", "setting", "bits_per_image", "bits_without_headers", "psnr", "ssim")
N_FITTED = 1_000  # training pictures that ranges and frequencies are taken from: 64,000 numbers a channel
TARGET = 30.0  # dB, at which the coders are compared in one figure each


def measure_rate(
    evaluation: EvaluationParameters, run: RunParameters, pictures: ImageSplits, vae: ModelBundle
) -> tuple[pd.DataFrame, dict[str, Any], Pixels]:
    """Measure quality over bits of the direct path, JPEG and WebP on the same test pictures.

    Returns:
        A row for each coder and setting (:data:`COLUMNS`; means over pictures), the bits that each needs for
        30 dB, and a plot.
    """
    parameters = evaluation.rate
    rows = spread(len(pictures.test), parameters.n_images)
    if parameters.n_images is None or not len(rows):
        reason = "evaluation.rate.n_images is null: not measured"
        return pd.DataFrame(columns=list(COLUMNS)), {}, note("bits per picture", reason)
    images = np.array(pictures.test.images[rows])
    latents = Latents(vae, run, evaluation.batch_size)
    fitted = spread(len(pictures.train), N_FITTED)
    sample = latents.encode(pictures.train.images[fitted])
    curves = [latent_curve(latents, *sample, images, parameters), codec_curves(images, parameters)]
    table = pd.concat(curves, ignore_index=True)
    needed = bits_at(table, TARGET)
    return table, {"psnr": TARGET, **needed} if needed else {}, rate_figure(table, len(images))


class Latents:
    """The encoder and the decoder of the direct path.

    Args:
        bundle: A ``vae``.
        run: Chooses the device.
        batch_size: Pictures at a time.
    """

    def __init__(self, bundle: ModelBundle, run: RunParameters, batch_size: int) -> None:
        self._device = resolve_device(run)
        self._vae = cast(VAE, load_network(bundle)).to(self._device)
        self._batch_size = batch_size

    def encode(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Means of the latents of pictures, uint8 (N, S, S, 3), and how certain the encoder is of them.

        Returns:
            Means (N, 64, C), cell by cell, and each channel's standard deviation of the posterior, the root
            of the mean variance, (C,).
        """
        found, variances = [], []
        with torch.inference_mode():
            for start in range(0, len(images), self._batch_size):
                rows = np.arange(start, min(start + self._batch_size, len(images)))
                batch = torch.from_numpy(np.array(images[rows])).to(self._device)
                mean, logvar = self._vae.encoder(normalize(batch))
                found.append(mean.flatten(2).transpose(1, 2).float().cpu().numpy())
                variances.append(logvar.double().exp().mean(dim=(2, 3)).cpu().numpy())
        return np.concatenate(found), np.sqrt(np.concatenate(variances).mean(axis=0))

    def decode(self, numbers: NDArray[np.floating]) -> Pixels:
        """Pictures of latents (N, 64, C): uint8 (N, S, S, 3)."""
        found = []
        with torch.inference_mode():
            for start in range(0, len(numbers), self._batch_size):
                cells = torch.from_numpy(numbers[start : start + self._batch_size].astype(np.float32))
                side = round(cells.shape[1] ** 0.5)
                grid = cells.transpose(1, 2).unflatten(2, (side, side)).to(self._device)
                found.append(to_uint8(self._vae.decoder(grid)))
        return np.concatenate(found)


def latent_curve(
    latents: Latents,
    sample: NDArray[np.float32],
    deviations: NDArray[np.float64],
    images: Pixels,
    parameters: RateParameters,
) -> pd.DataFrame:
    """The direct path with the numbers of its latents rounded, in all three ways.

    Args:
        latents: Encoder and decoder.
        sample: Latents of training pictures, (M, 64, C).
        deviations: Of the posterior there, (C,).
        images: Test pictures, uint8 (N, S, S, 3).
        parameters: How many bits, which steps.
    """
    numbers, rows = latents.encode(images)[0], []
    flat = sample.reshape(-1, sample.shape[2])

    def through(quantiser: UniformQuantizer) -> tuple[Pixels, float]:
        codes = quantiser.codes(numbers)
        lengths = CodeLengths(quantiser.codes(flat), 2**quantiser.n_bits)
        return latents.decode(quantiser.values(codes)), float(lengths(codes).mean())

    for n_bits in parameters.bits:
        back, coded = through(UniformQuantizer.fit(flat.T, n_bits))
        plain = float(n_bits * numbers[0].size)
        for coder, bits in (("latent", plain), ("latent_coded", coded)):
            rows.append(_row(coder, f"{n_bits} bits", bits, bits, images, back))
    for width in parameters.steps:
        back, coded = through(UniformQuantizer.of_step(flat.T, width * deviations))
        rows.append(_row("latent_posterior", f"steps of {width:g}", coded, coded, images, back))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def codec_curves(images: Pixels, parameters: RateParameters) -> pd.DataFrame:
    """The same pictures through JPEG (both ways to keep colors) and lossy WebP, at several qualities."""
    rows = []
    for quality in parameters.qualities:
        made: dict[tuple[str, str], Coded] = {
            ("jpeg", f"quality {quality}, {colors}"): jpeg(images, quality, colors) for colors in JPEG_COLORS
        }
        made["webp", f"quality {quality}"] = webp(images, quality)
        for (coder, setting), one in made.items():
            whole, bare = (8 * float(counts.mean()) for counts in (one.n_bytes, one.n_payload))
            rows.append(_row(coder, setting, whole, bare, images, one.images))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def bits_at(table: pd.DataFrame, target: float) -> dict[str, float]:
    """Bits per picture that each coder needs for a PSNR, in a straight line between two of its settings.

    Args:
        table: As :func:`measure_rate` gives it.
        target: In decibels.

    Returns:
        By coder, and ``CODER_without_headers`` where there are any; coders that do not reach it, or whose
        every setting exceeds it, are absent.
    """
    found: dict[str, float] = {}
    for coder, own in table.groupby("coder"):
        for column, suffix in (("bits_per_image", ""), ("bits_without_headers", "_without_headers")):
            if suffix and own["bits_per_image"].equals(own["bits_without_headers"]):
                continue
            joined = unbeaten(own, column, "psnr")
            bits, quality = joined[column].to_numpy(float), joined["psnr"].to_numpy(float)
            if quality[0] <= target <= quality[-1]:
                found[f"{coder}{suffix}"] = float(np.exp(np.interp(target, quality, np.log(bits))))
    return found


def _row(
    coder: str, setting: str, bits: float, bare: float, images: Pixels, back: Pixels
) -> tuple[str, str, float, float, float, float]:
    return coder, setting, bits, bare, float(psnr(images, back).mean()), float(ssim(images, back).mean())

"""Bits that the direct path needs for a quality, beside JPEG and WebP on the same images.

Three ways to encode a latent. ``latent``: n bits for each number, over a range of each channel that is fitted
on training images; every image takes the same. ``latent_coded``: the same numbers, and so the same images,
through an arithmetic coder with the frequencies of the training images. Its length is computed, in whole
bytes for each image, not written. ``latent_posterior``: the same coder with steps that are a multiple of the
posterior's standard deviation in each channel, so that channels of which the encoder is less certain get
fewer bits. All need the decoder's weights at the receiver, as JPEG and WebP need their programs.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import RateParameters
from lexipix.evaluation.baselines import mean_psnr_ssim
from lexipix.evaluation.direct_path import LatentCodec, posterior_deviations
from lexipix.evaluation.evaluated_images import evenly_spaced
from lexipix.metrics.codecs import JPEG_COLORS, Coded, jpeg, webp
from lexipix.metrics.quantization import CodeLengths, UniformQuantizer
from lexipix.reporting.quality_plots import pareto_settings
from lexipix.utils.types import ImageSplits

Pixels = NDArray[np.uint8]
COLUMNS = ("coder", "setting", "bits_per_image", "bits_without_headers", "psnr", "ssim")
N_FITTED = 1_000  # training images that ranges and frequencies are fitted on: 64,000 numbers a channel
TARGET = 30.0  # dB, at which the coders are compared by one number each


def rate_curves(
    parameters: RateParameters, pictures: ImageSplits, codec: LatentCodec
) -> tuple[pd.DataFrame, dict[str, Any], int]:
    """Measures quality over bits of the direct path, JPEG and WebP on the same test images.

    Returns:
        A row for each coder and setting (:data:`COLUMNS`; means over images); the bits per image that each
        coder needs for ``psnr`` = 30 dB; and the number of images, 0 if ``n_images`` is null.
    """
    n_images = min(parameters.n_images or 0, len(pictures.test))
    if not n_images:
        return pd.DataFrame(columns=list(COLUMNS)), {}, 0
    images = np.array(pictures.test.images[evenly_spaced(len(pictures.test), n_images)])
    train_images = pictures.train.images[evenly_spaced(len(pictures.train), N_FITTED)]
    curves = [latent_curves(codec, train_images, images, parameters), codec_curves(images, parameters)]
    table = pd.concat(curves, ignore_index=True)
    bits = bits_at(table, TARGET)
    return table, {"psnr": TARGET, **bits} if bits else {}, len(images)


def latent_curves(
    codec: LatentCodec, train_images: Pixels, images: Pixels, parameters: RateParameters
) -> pd.DataFrame:
    """Returns the rows of the direct path with rounded latents, in all three ways.

    Args:
        codec: Encoder and decoder.
        train_images: Images to fit ranges and frequencies on, uint8 (M, S, S, 3).
        images: Test images, uint8 (N, S, S, 3).
        parameters: Numbers of bits, and steps.
    """
    (sample, logvar), latents, rows = codec.encode(train_images), codec.encode(images)[0], []
    channels = sample.reshape(-1, sample.shape[2])

    def apply(quantizer: UniformQuantizer) -> tuple[Pixels, float]:
        codes = quantizer.codes(latents)
        lengths = CodeLengths(quantizer.codes(channels), 2**quantizer.n_bits)
        return codec.decode(quantizer.values(codes)), float(lengths(codes).mean())

    for n_bits in parameters.bits:
        decoded, coded_bits = apply(UniformQuantizer.fit(channels.T, n_bits))
        for coder, bits in (("latent", float(n_bits * latents[0].size)), ("latent_coded", coded_bits)):
            rows.append(_row(coder, f"{n_bits} bits", bits, bits, images, decoded))
    for step in parameters.steps:
        decoded, bits = apply(UniformQuantizer.of_step(channels.T, step * posterior_deviations(logvar)))
        rows.append(_row("latent_posterior", f"steps of {step:g}", bits, bits, images, decoded))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def codec_curves(images: Pixels, parameters: RateParameters) -> pd.DataFrame:
    """Returns the rows of JPEG, with both ways to store colors, and of lossy WebP, at several qualities."""
    rows = []
    for quality in parameters.qualities:
        coded: dict[tuple[str, str], Coded] = {
            ("jpeg", f"quality {quality}, {colors}"): jpeg(images, quality, colors) for colors in JPEG_COLORS
        }
        coded["webp", f"quality {quality}"] = webp(images, quality)
        for (coder, setting), one in coded.items():
            bits, bits_without = (8 * float(counts.mean()) for counts in (one.n_bytes, one.n_payload))
            rows.append(_row(coder, setting, bits, bits_without, images, one.images))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def bits_at(table: pd.DataFrame, target: float) -> dict[str, float]:
    """Returns the bits per image that each coder needs for a PSNR, interpolated between two of its settings.

    Args:
        table: As :func:`rate_curves` returns it.
        target: PSNR in decibels.

    Returns:
        By coder, and ``CODER_without_headers`` if it has headers; coders that do not reach the PSNR, or that
        exceed it at every setting, are absent.
    """
    found: dict[str, float] = {}
    for coder, own in table.groupby("coder"):
        for column, suffix in (("bits_per_image", ""), ("bits_without_headers", "_without_headers")):
            if suffix and own["bits_per_image"].equals(own["bits_without_headers"]):
                continue
            frontier = pareto_settings(own, column, "psnr")
            bits, quality = frontier[column].to_numpy(float), frontier["psnr"].to_numpy(float)
            if quality[0] <= target <= quality[-1]:
                found[f"{coder}{suffix}"] = float(np.exp(np.interp(target, quality, np.log(bits))))
    return found


def _row(
    coder: str, setting: str, bits: float, bits_without_headers: float, images: Pixels, decoded: Pixels
) -> tuple[str, str, float, float, float, float]:
    quality = mean_psnr_ssim(images, decoded)
    return coder, setting, bits, bits_without_headers, quality["psnr"], quality["ssim"]

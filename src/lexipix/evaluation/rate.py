"""Bits that the direct path needs for a quality, beside JPEG and WebP on the same images."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import RateParameters
from lexipix.data.images import Images, evenly_spaced
from lexipix.evaluation.baselines import mean_psnr_ssim
from lexipix.evaluation.direct_path import LatentCodec
from lexipix.evaluation.evaluated_images import Pixels
from lexipix.metrics.codecs import JPEG_COLORS, jpeg, webp
from lexipix.metrics.quantization import UniformQuantizer, code_lengths
from lexipix.reporting.plots import pareto_front
from lexipix.utils.types import ImageSplits

COLUMNS = ("coder", "setting", "bits_per_image", "bits_without_headers", "psnr", "ssim")
N_FITTED = 1_000  # training images that ranges and frequencies are fitted on: 64,000 numbers a channel
TARGET = 30.0  # dB, at which the coders are compared by one number each


class LatentCoder:
    """Rounds the latents of images, and measures the bits that an arithmetic coder needs for them.

    Ranges and frequencies are fitted on some of the training images. The length of the code is computed, in
    whole bytes for each image, not written.

    Attributes:
        latents: Of the images, not rounded, (N, 64, C).
    """

    def __init__(self, codec: LatentCodec, images: Pixels, train_images: Images) -> None:
        mean, logvar = codec.encode(train_images[evenly_spaced(len(train_images), N_FITTED)])
        self._codec, self._sample = codec, mean.reshape(-1, mean.shape[2])
        # Of each channel, the root of the posterior's mean variance
        self._deviations = np.sqrt(np.exp(logvar.astype(np.float64)).mean(axis=(0, 1)))
        self.latents = codec.encode(images)[0]

    def with_bits(self, n_bits: int) -> tuple[Pixels, NDArray[np.int64]]:
        """Returns the images of latents with n bits for each number, and the coded bits of each, (N,).

        Not coded, all take the same: n bits for each number, over a range of each channel.
        """
        return self._apply(UniformQuantizer.fit(self._sample.T, n_bits))

    def with_steps(self, step: float) -> tuple[Pixels, NDArray[np.int64]]:
        """Returns the same for steps that are a multiple of each channel's posterior standard deviation.

        Channels of which the encoder is less certain get fewer bits.
        """
        return self._apply(UniformQuantizer.of_step(self._sample.T, step * self._deviations))

    def _apply(self, quantizer: UniformQuantizer) -> tuple[Pixels, NDArray[np.int64]]:
        codes = quantizer.codes(self.latents)
        bits = code_lengths(codes, quantizer.codes(self._sample), 2**quantizer.n_bits)
        return self._codec.decode(quantizer.values(codes)), bits


def rate_curves(
    parameters: RateParameters, image_splits: ImageSplits, codec: LatentCodec
) -> tuple[pd.DataFrame, dict[str, Any], int]:
    """Measures quality over bits of the direct path, JPEG and WebP on the same test images.

    The decoder's weights are not counted, as the programs of JPEG and WebP are not.

    Returns:
        A row for each coder and setting (:data:`COLUMNS`; means over images); the bits per image that each
        coder needs for ``psnr`` = 30 dB; and the number of images, 0 if ``n_images`` is null.
    """
    n_images = min(parameters.n_images or 0, len(image_splits.test))
    if not n_images:
        return pd.DataFrame(columns=list(COLUMNS)), {}, 0
    images, rows = np.array(image_splits.test.images[evenly_spaced(len(image_splits.test), n_images)]), []

    def add(coder: str, setting: str, decoded: Pixels, bits: float, bare_bits: float | None = None) -> None:
        bits_of_file = float(bits), float(bits if bare_bits is None else bare_bits)
        rows.append((coder, setting, *bits_of_file, *mean_psnr_ssim(images, decoded).values()))

    latent_coder = LatentCoder(codec, images, image_splits.train.images)
    for n_bits in parameters.bits:
        decoded, bits = latent_coder.with_bits(n_bits)
        add("latent", f"{n_bits} bits", decoded, n_bits * latent_coder.latents[0].size)
        add("latent_coded", f"{n_bits} bits", decoded, bits.mean())
    for step in parameters.steps:
        decoded, bits = latent_coder.with_steps(step)
        add("latent_posterior", f"steps of {step:g}", decoded, bits.mean())
    for quality in parameters.qualities:
        for colors in JPEG_COLORS:
            file = jpeg(images, quality, colors)
            setting = f"quality {quality}, {colors}"
            add("jpeg", setting, file.images, 8 * file.n_bytes.mean(), 8 * file.n_payload.mean())
        file = webp(images, quality)
        add("webp", f"quality {quality}", file.images, 8 * file.n_bytes.mean(), 8 * file.n_payload.mean())
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    bits_at_target = bits_at(table, TARGET)
    return table, {"psnr": TARGET, **bits_at_target} if bits_at_target else {}, len(images)


def bits_at(table: pd.DataFrame, target: float) -> dict[str, float]:
    """Returns the bits per image that each coder needs for a PSNR, interpolated between two of its settings.

    Returns:
        By coder, and ``CODER_without_headers`` if it has headers; coders that do not reach the PSNR, or that
        exceed it at every setting, are absent.
    """
    found: dict[str, float] = {}
    for coder, own in table.groupby("coder"):
        for column, suffix in (("bits_per_image", ""), ("bits_without_headers", "_without_headers")):
            if suffix and own["bits_per_image"].equals(own["bits_without_headers"]):
                continue
            frontier = pareto_front(own, column, "psnr")
            bits, quality = frontier[column].to_numpy(float), frontier["psnr"].to_numpy(float)
            if quality[0] <= target <= quality[-1]:
                found[f"{coder}{suffix}"] = float(np.exp(np.interp(target, quality, np.log(bits))))
    return found

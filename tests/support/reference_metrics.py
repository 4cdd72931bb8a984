"""The plain loop over scikit-image that `lexipix.metrics.images` must agree with and outrun."""

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def psnr_and_ssim(images: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(images[i], others[i]) for i in range(len(images))]
    with np.errstate(divide="ignore"):  # of identical images, whose PSNR has no bound
        psnr = [peak_signal_noise_ratio(a, b, data_range=255) for a, b in pairs]
    ssim = [structural_similarity(a, b, channel_axis=-1, data_range=255) for a, b in pairs]
    return np.array(psnr), np.array(ssim)

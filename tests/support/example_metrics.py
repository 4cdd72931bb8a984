"""Metrics of an invented run, and a check of colors in plots."""

from typing import Any

import numpy as np

METRICS: dict[str, Any] = {
    "data": {"n_train": 9000, "n_val": 500, "n_test": 1000, "rejected": 3, "image_size": 32},
    "captioner": {"bleu4": 0.98, "cider_d": 9.6, "exact_match": 0.96, "attribute_f1": 0.99},
    "direct": {"psnr": 33.12, "ssim": 0.9641, "bits_per_image": 12288},
    "text": {
        "vae": {"psnr": 24.31, "ssim": 0.862, "attribute_accuracy": 0.957, "r_precision": 0.913, "kid": 0.01},
        "gan": {"psnr": 12.0, "ssim": 0.702, "attribute_accuracy": 0.913, "r_precision": 0.88, "kid": 0.008},
    },
    "baseline": {
        "mean_image": {"psnr": 13.1, "ssim": 0.42},
        "same_caption": {"psnr": 18.2, "ssim": 0.71},
        "real": {"r_precision": 0.971},
        "shuffled": {"r_precision": 0.011},
    },
    "ceiling": {"psnr": 26.9, "ssim": 0.939, "attribute_accuracy": 0.998},
    "speed": {
        "champion": {"images_per_s": 1310, "latency_p50_ms": 1.3, "size_mb": 1.1},
        "int8": {"images_per_s": 1310, "latency_p50_ms": 1.3, "size_mb": 1.1},
    },
    "training": {"vae": {"images_per_s": 500, "seconds": 300, "images_seen": 150000}},
}


def has_color(figure: np.ndarray, color: tuple[int, int, int]) -> bool:
    """Whether a plot, uint8 (H, W, 3), contains a color, up to antialiasing."""
    return bool((np.abs(figure.astype(int) - color).max(axis=-1) < 12).any())

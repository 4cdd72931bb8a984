"""How the report shows each metric: its name, its format, its meaning, and which values are bad."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MISSING = "–"


@dataclass(frozen=True)
class MetricSpec:
    """How the report shows one metric: name, what it measures, which values are bad, format with unit."""

    name: str
    meaning: str = ""
    bad: str = ""
    pattern: str = "{:.3f}"

    def write(self, value: float | None) -> str:
        """Formats a value; a dash if there is none."""
        return MISSING if value is None or not math.isfinite(value) else self.pattern.format(value)


PERCENT, DECIBELS, RATE_PER_S = "{:.1%}", "{:.2f} dB", "{:,.0f} /s"

DIRECT = {
    "psnr": MetricSpec(
        "PSNR",
        "Size of the pixel errors; 6 dB more means errors half as large.",
        "Bad below 29 dB, where differences become visible side by side.",
        DECIBELS,
    ),
    "ssim": MetricSpec(
        "SSIM",
        "Similarity of local structure, from 0 to 1 for identical images.",
        "Bad below 0.88, where fine structure is lost.",
    ),
    "psnr_over_black": MetricSpec(
        "PSNR over black",
        "The same where transparent images stand on black; the other figures are over white.",
        "Bad below 29 dB.",
        DECIBELS,
    ),
    "psnr_of_alpha": MetricSpec(
        "PSNR of alpha", "Errors of the opacity alone.", "Bad below 25 dB.", DECIBELS
    ),
    "bits_per_image": MetricSpec(
        "Information in the latent",
        "Bits that pass from the encoder to the decoder; a raw 32x32 image has 24,576 bits.",
        "Bad when close to the raw image: then nothing is compressed.",
        "{:,.0f} bits",
    ),
}
TEXT = {
    "psnr": MetricSpec(
        "PSNR",
        "Size of the pixel errors against the described image. Details that the caption omits count.",
        "Bad below every baseline. A sharp image can score below the mean image without being worse.",
        DECIBELS,
    ),
    "ssim": MetricSpec(
        "SSIM",
        "Similarity of local structure to the described image, from 0 to 1.",
        "Bad below every baseline.",
    ),
    "attribute_accuracy": MetricSpec(
        "Attribute accuracy",
        "Share of the original's colors, shapes, sizes and positions that the generated image has.",
        "Bad below 90%. Errors of the captioner count too.",
        PERCENT,
    ),
    "class_agreement": MetricSpec(
        "Class agreement",
        "Share of images, generated from true captions, that a classifier of real images assigns to the "
        "caption's class.",
        "Bad far below real images. One image per class would score well: see the next metric for variety.",
        PERCENT,
    ),
    "cas": MetricSpec(
        "Classification accuracy score (CAS)",
        "Accuracy on real images of a classifier that was trained on images of the champion only.",
        "Bad far below a classifier trained on real images: then the images vary too little.",
        PERCENT,
    ),
    "r_precision": MetricSpec(
        "R-precision",
        "Share of generated images whose caption an independent evaluator finds among many.",
        "Bad far below real images; worthless when close to shuffled captions.",
        PERCENT,
    ),
    "kid": MetricSpec(
        "KID",
        "Kernel distance between generated and real images in the evaluator's features; 0 is no difference.",
        "Bad when many times the distance between two sets of real images.",
        "{:.4f}",
    ),
    "frechet": MetricSpec(
        "Fréchet distance",
        "Distance between means and covariances of the same features; it grows with fewer images.",
        "Bad when many times that of two sets of real images; not comparable with published FID.",
    ),
    "recall": MetricSpec(
        "Recall (variety)",
        "Share of real images with a generated image close to them in the evaluator's features.",
        "Bad near zero: then the model generates few different images.",
        PERCENT,
    ),
    "sharpness": MetricSpec(
        "Sharpness",
        "Mean brightness gradient, relative to real images (100%).",
        "Bad below 85% (blurry) and above 115% (noisy).",
        "{:.0%}",
    ),
}
# Of images drawn from true captions
PROMPTS = {
    "r_precision": MetricSpec(
        "R-precision",
        "Share of images whose caption the evaluator finds among 100. Guessing gives 1%.",
        "Bad below the retrieved image, which needs no training. Above real images it says nothing more.",
        PERCENT,
    ),
    "image_similarity": MetricSpec(
        "Similarity to the true image",
        "Cosine of the evaluator's vectors of the generated and the true image.",
        "Bad below the retrieved image: then images are typical of their caption and not like the true one.",
    ),
    "psnr": MetricSpec(
        "PSNR",
        "Size of the pixel errors against the true image.",
        "Sharp images of another pose score low; only captions that name one image can score high.",
        DECIBELS,
    ),
    "ssim": MetricSpec("SSIM", "Similarity of local structure to the true image.", "Read it as PSNR."),
    "flat_ripple": MetricSpec(
        "Ripple on flat areas",
        "Difference of a pixel from its four neighbors, in levels, where the true image is flat.",
        "Bad above 2 on captions that were trained on: then areas of one color are mottled.",
        "{:.2f}",
    ),
    "period2_power": MetricSpec(
        "Power at a period of 2 pixels",
        "That of rows and columns, relative to real images.",
        "Bad below 0.8 (blur) and above 1.2 (grain or a grid).",
        "{:.2f}",
    ),
    "period4_power": MetricSpec(
        "Power at 4 pixels", "The same for a period of 4.", "Read it as above.", "{:.2f}"
    ),
    "period8_power": MetricSpec(
        "Power at 8 pixels", "The same for a period of 8.", "Read it as above.", "{:.2f}"
    ),
    "ghost_index": MetricSpec(
        "Ghosts",
        "Difference from the background, in levels, where the true image has background.",
        "Bad far above the retrieved image on captions that were trained on.",
        "{:.2f}",
    ),
    "nearest_train_psnr": MetricSpec(
        "PSNR to the nearest training image",
        "Copies have 100 dB; compare with real images of other captions.",
        "Bad near 100 dB where something new was asked for.",
        DECIBELS,
    ),
}
MEMORIZATION = {
    "distance_ratio": MetricSpec("Distance to the nearest training image", pattern="{:.2f}"),
    "very_near_share": MetricSpec("Share of very near images", pattern=PERCENT),
}
# Coders of images, by their keys in ``metrics.json``
RATE = {
    "latent_posterior": "Latent, steps of the posterior, entropy-coded",
    "latent_coded": "Latent, n bits per number, entropy-coded",
    "latent": "Latent, n bits per number",
    "jpeg": "JPEG",
    "jpeg_without_headers": "JPEG without headers",
    "webp": "WebP",
    "webp_without_headers": "WebP without headers",
}
CAPTIONER = {
    "exact_match": MetricSpec(
        "Exact match",
        "Share of captions that equal the true caption word for word.",
        "Bad below 90% for templated captions; always low for free text, where it means little.",
        PERCENT,
    ),
    "attribute_f1": MetricSpec(
        "Attribute F1",
        "Precision and recall of the colors, shapes, sizes and positions in the captions.",
        "Bad below 0.9: then captions invent or omit details.",
    ),
    "bleu4": MetricSpec(
        "BLEU-4",
        "Overlap with the true captions in sequences of up to four words, from 0 to 1.",
        "Bad below 0.2 for free text and below 0.8 for templated captions.",
    ),
    "cider_d": MetricSpec(
        "CIDEr-D",
        "Agreement with the true captions in informative words, from 0 to 10.",
        "Bad below 1: then the captions fit many images equally well.",
        "{:.2f}",
    ),
    "r_precision": MetricSpec(
        "R-precision",
        "Share of real test images whose generated caption the evaluator finds among those of 100 images. "
        "Where every image has its own caption, hardly one is met word for word, and this says more.",
        "Bad far below the figure of true captions, which is among the baselines of the text path.",
    ),
    "images_per_s": MetricSpec(
        "Speed",
        "Images captioned per second, in batches.",
        "Bad when captioning a data set takes longer than training on it.",
        RATE_PER_S,
    ),
}
# Tables below show names only; the report explains them in a paragraph
SPEED = {
    "latency_p50_ms": MetricSpec("One image", pattern="{:.2f} ms"),
    "images_per_s": MetricSpec("In batches", pattern=RATE_PER_S),
    "latency_p99_ms": MetricSpec("99th percentile", pattern="{:.2f} ms"),
    "size_mb": MetricSpec("Size", pattern="{:.2f} MB"),
    "mflop": MetricSpec("Operations", pattern="{:,.0f} MFLOP"),
    "peak_mb": MetricSpec("Memory", pattern="{:,.0f} MB"),
    "fidelity_psnr": MetricSpec("Fidelity", pattern="{:.1f} dB"),
    "fidelity_ssim": MetricSpec("Fidelity, SSIM"),
    "attribute_accuracy": MetricSpec("Attribute accuracy"),
    "r_precision": MetricSpec("R-precision"),
    "image_similarity": MetricSpec("Image similarity"),
    "kid": MetricSpec("KID"),
    "quality_loss": MetricSpec("Quality lost", pattern=PERCENT),
    # Of captioners
    "agreement": MetricSpec("Agreement", pattern=PERCENT),
    **{key: CAPTIONER[key] for key in ("exact_match", "attribute_f1", "bleu4", "cider_d")},
}
TRAINING = {
    "images_seen": MetricSpec("Images seen", pattern="{:,.0f}"),
    "images_per_s": MetricSpec("Speed", pattern=RATE_PER_S),
    "mflop_per_image": MetricSpec("Operations per image", pattern="{:,.0f} MFLOP"),
    "gflops": MetricSpec("Operations per second", pattern="{:,.0f} GFLOP/s"),
}


def lookup(metrics: Mapping[str, Any], *keys: str) -> float | None:
    """Returns the number at a path of keys, or None."""
    value: Any = metrics
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return float(value) if isinstance(value, int | float) else None

"""What each figure is called, how it is written, what it means and when it is bad, in plain sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass

MISSING = "–"


@dataclass(frozen=True)
class Figure:
    """How one figure is shown.

    Attributes:
        name: In words.
        meaning: One sentence on what it says.
        bad: One sentence on when it is bad.
        pattern: A format for the number, with the unit.
        factor: What the number is multiplied by before it is written, 100 for shares.
    """

    name: str
    meaning: str
    bad: str
    pattern: str = "{:.3f}"
    factor: float = 1.0

    def write(self, value: float | None) -> str:
        """The number as a person reads it; a dash where there is none."""
        if value is None or not math.isfinite(value):
            return MISSING
        return self.pattern.format(value * self.factor)


_PERCENT = "{:.1f}%"

DIRECT = {
    "psnr": Figure(
        "PSNR",
        "How small the errors of the single pixels are; 6 dB more means errors half as large.",
        "Bad below 29 dB, where a reader who compares begins to see the difference.",
        "{:.2f} dB",
    ),
    "ssim": Figure(
        "SSIM",
        "How well edges and surfaces are kept, from 0 to 1 for an identical picture.",
        "Bad below 0.88, where fine structure is lost.",
    ),
    "bits_per_image": Figure(
        "Information in the latent",
        "Information that passes between encoder and decoder; a 32x32 picture itself has 24,576 bits.",
        "Bad when it comes near the size of the picture itself: then nothing was compressed.",
        "{:,.0f} bits",
    ),
}
TEXT = {
    "psnr": Figure(
        "PSNR",
        "Pixel errors against the very picture described; what the words left out counts as an error.",
        "Bad when below every baseline; a sharp picture may lie below the mean image and be no worse.",
        "{:.2f} dB",
    ),
    "ssim": Figure(
        "SSIM",
        "Likeness of edges and surfaces to the very picture that was described, from 0 to 1.",
        "Bad when below every baseline.",
    ),
    "attribute_accuracy": Figure(
        "Attributes found again",
        "Share of the original's colors, shapes, sizes and places that the drawn picture has as well.",
        "Bad below 90%: then one picture in a few shows something else; the captioner's errors count too.",
        _PERCENT,
        100.0,
    ),
    "train_r_precision": Figure(
        "R-precision, captions seen in training",
        "Share of pictures drawn from captions of training pictures whose caption the judge finds among 100.",
        "Bad below four fifths of what it makes of the real training pictures.",
        _PERCENT,
        100.0,
    ),
    "test_r_precision": Figure(
        "R-precision, captions never seen",
        "The same of the captions of test pictures; by guessing it would be 1%.",
        "Bad when near the guessing.",
        _PERCENT,
        100.0,
    ),
    "class_agreement": Figure(
        "Class agreement",
        "Share of pictures, drawn from the true captions, that a classifier of real pictures takes for the "
        "caption's class.",
        "Bad when far below that of real pictures; one picture for each class would do, hence the next.",
        _PERCENT,
        100.0,
    ),
    "cas": Figure(
        "Classes learned from it",
        "Share of real pictures that a classifier knows which has seen nothing but drawn ones (CAS).",
        "Bad when far below what as many real pictures teach: then what is drawn varies too little.",
        _PERCENT,
        100.0,
    ),
    "r_precision": Figure(
        "R-precision",
        "How often a judge that no model was trained with finds a drawn picture's caption among many.",
        "Bad when far below that of real pictures, and worthless when near that of shuffled captions.",
        _PERCENT,
        100.0,
    ),
    "kid": Figure(
        "Kernel distance (KID)",
        "How far drawn pictures as a whole are from real ones for the judge; about 0 is no difference.",
        "Bad when it is many times the floor, which is what two sets of real pictures show.",
        "{:.4f}",
    ),
    "frechet": Figure(
        "Fréchet distance",
        "The same question, answered from means and covariances; it grows when few pictures are used.",
        "Bad when it is many times the floor; not to be compared with FID figures from elsewhere.",
        "{:.3f}",
    ),
    "recall": Figure(
        "Variety (recall)",
        "Share of the real pictures that have a drawn one close to them in the judge's features.",
        "Bad when it is near zero: then the model draws the same few pictures again and again.",
        _PERCENT,
        100.0,
    ),
    "sharpness": Figure(
        "Sharpness",
        "Steepness of the brightness edges compared with the real pictures, which have 100%.",
        "Bad below 85% (soft) and above 115% (noisy).",
        "{:.0f}%",
        100.0,
    ),
}
MEMORISATION = {
    "distance_ratio": Figure(
        "Distance to the nearest training picture", "Median, real test pictures having 1.", "", "{:.2f}"
    ),
    "very_near_share": Figure(
        "Very near ones", "Nearer than all but 1% of real test pictures.", "", _PERCENT, 100.0
    ),
}
# Coders of pictures, as the figures at one quality name them
RATE = {
    "latent_posterior": "Latent, steps of the posterior, entropy-coded",
    "latent_coded": "Latent, n bits a number, entropy-coded",
    "latent": "Latent, n bits a number",
    "jpeg": "JPEG",
    "jpeg_without_headers": "JPEG, headers not counted",
    "webp": "WebP",
    "webp_without_headers": "WebP, headers not counted",
}
CAPTIONER = {
    "exact_match": Figure(
        "Exact match",
        "Share of captions that say word for word what the true caption says.",
        "Bad on templated captions below 90%; on free text it is always low and says little.",
        _PERCENT,
        100.0,
    ),
    "attribute_f1": Figure(
        "Attribute F1",
        "How completely and correctly the captions name colors, shapes, sizes and places.",
        "Bad below 0.9: then details are invented or left out.",
    ),
    "bleu4": Figure(
        "BLEU-4",
        "Share of runs of up to four words that the true captions have as well, from 0 to 1.",
        "Bad below 0.2 on free text and below 0.8 on templated captions.",
    ),
    "cider_d": Figure(
        "CIDEr-D",
        "Agreement in the words that tell pictures apart, from 0 to 10.",
        "Bad below 1: then the captions would fit many pictures equally well.",
        "{:.2f}",
    ),
    "images_per_s": Figure(
        "Speed",
        "Pictures described in a second, in batches.",
        "Bad when describing a data set takes longer than training on it.",
        "{:,.0f} /s",
    ),
}
SPEED = {
    "latency_p50_ms": Figure(
        "One picture", "Median time from prompt to picture, one at a time.", "", "{:.2f} ms"
    ),
    "images_per_s": Figure("In batches", "Pictures drawn in a second, many at a time.", "", "{:,.0f} /s"),
    "latency_p99_ms": Figure("99th percentile", "One of a hundred pictures takes longer.", "", "{:.2f} ms"),
    "size_mb": Figure("Size", "Size of the model's file.", "", "{:.2f} MB"),
    "mflop": Figure("Arithmetic", "Multiplications and additions for one picture.", "", "{:,.0f} MFLOP"),
    "peak_mb": Figure(
        "RandomFeatureRegressor", "Memory for loading it and drawing a batch.", "", "{:,.0f} MB"
    ),
    "fidelity_psnr": Figure(
        "Fidelity", "Likeness to the pictures of the uncompressed model.", "", "{:.1f} dB"
    ),
    "fidelity_ssim": Figure("Fidelity, SSIM", "The same by structural similarity.", ""),
    "attribute_accuracy": Figure("Attributes", "Share of a caption's facts that are in the picture.", ""),
    "r_precision": Figure("R-precision", "How often a picture is found to be its own caption's.", ""),
    "kid": Figure("KID", "Distance to real pictures as a whole; lower is better.", ""),
    "quality_loss": Figure(
        "Lost", "Share of attributes or R-precision lost to the whole model.", "", _PERCENT, 100
    ),
}
CAPTIONER_SPEED = {
    "latency_p50_ms": Figure("One picture", "Median time for one picture's caption.", "", "{:.2f} ms"),
    "images_per_s": Figure("In batches", "Pictures described in a second.", "", "{:,.0f} /s"),
    **{key: SPEED[key] for key in ("latency_p99_ms", "size_mb", "mflop", "peak_mb")},
    "agreement": Figure("Agreement", "Share of the same captions, word for word.", "", _PERCENT, 100),
    **{key: CAPTIONER[key] for key in ("exact_match", "attribute_f1", "bleu4", "cider_d")},
}
TRAINING = {
    "images_seen": Figure("Pictures seen", "", "", "{:,.0f}"),
    "images_per_s": Figure("Speed", "", "", "{:,.0f} /s"),
    "mflop_per_image": Figure("Arithmetic of a picture", "", "", "{:,.0f} MFLOP"),
    "gflops": Figure("Rate of arithmetic", "", "", "{:,.0f} GFLOP/s"),
}


def write_seconds(seconds: float) -> str:
    """A duration as a person says it: `45 s`, `3 min 20 s`, `1 h 05 min`."""
    whole = round(seconds)
    if seconds < 10:
        return f"{seconds:.1f} s"
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"

"""The summary at the top of the report: the most important results, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from lexipix.reporting.metric_specs import SPEED, lookup

Tone = Literal["good", "fair", "bad"]

# Targets of the direct path; a value below the second of a pair is bad
DIRECT_PSNR, DIRECT_SSIM = (29.0, 26.0), (0.88, 0.80)
GENERATORS = {"vae": "the VAE", "gan": "the GAN", "tokens": "the token generator"}


@dataclass(frozen=True)
class SummaryLine:
    """A number with its unit, the sentence that continues it, and whether it is good."""

    value: str
    text: str
    tone: Tone


def summary_lines(
    metrics: Mapping[str, Any], text_extras: Mapping[str, Mapping[str, float]]
) -> list[SummaryLine]:
    """Returns the summary of a run; metrics that were not measured are left out.

    Args:
        metrics: As in ``metrics.json``.
        text_extras: Further metrics of the text path by generator (``vae``, ``gan``, ``tokens``): sharpness.
    """
    lines = [_captions(metrics), _direct(metrics), _tokens(metrics)]
    for path in GENERATORS:
        line = _attributes(metrics, path) or _classes(metrics, path) or _retrieval(metrics, path)
        sharpness = text_extras.get(path, {}).get("sharpness")
        if line is not None and sharpness is not None:
            line = replace(line, text=f"{line.text} Sharpness is {sharpness:.0%} of real images.")
        lines.append(line)
    return [line for line in [*lines, _variety(metrics), _speed(metrics)] if line is not None]


WORD_FOR_WORD = 0.1  # exact match below which it says little


def _captions(metrics: Mapping[str, Any]) -> SummaryLine | None:
    exact, f1, cider = (lookup(metrics, "captioner", k) for k in ("exact_match", "attribute_f1", "cider_d"))
    if f1 is not None and exact is not None:
        text = f"of the generated captions equal the true caption word for word; attribute F1 is {f1:.3f}."
        return SummaryLine(f"{exact:.1%}", text, _tone(exact, 0.95, 0.8))
    found, real = (
        lookup(metrics, "captioner", "r_precision"),
        lookup(metrics, "baseline", "real", "r_precision"),
    )
    if exact is not None and exact < WORD_FOR_WORD and found is not None and real:
        text = (
            "of the test images have a generated caption that the evaluator recognizes among 100; of their "
            f"true captions {real:.1%}. Hardly one is equal word for word: each image has its own."
        )
        return SummaryLine(f"{found:.1%}", text, _tone(found / real, 0.9, 0.5))
    if cider is None:
        return None
    text = "CIDEr-D of the generated captions, from 0 (fits any image) to 10 (the true captions)."
    return SummaryLine(f"{cider:.2f}", text, _tone(cider, 1.0, 0.3))


def _direct(metrics: Mapping[str, Any]) -> SummaryLine | None:
    psnr, ssim = lookup(metrics, "direct", "psnr"), lookup(metrics, "direct", "ssim")
    if psnr is None or ssim is None:
        return None
    tones = _tone(psnr, *DIRECT_PSNR), _tone(ssim, *DIRECT_SSIM)
    tone = max(tones, key=("good", "fair", "bad").index)
    reached = "reaches" if tone == "good" else "misses"
    text = (
        f"PSNR and SSIM {ssim:.3f} after encoding to the latent and decoding (direct path). "
        f"That {reached} the target of {DIRECT_PSNR[0]:.0f} dB and {DIRECT_SSIM[0]}."
    )
    return SummaryLine(f"{psnr:.1f} dB", text, tone)


def _tokens(metrics: Mapping[str, Any]) -> SummaryLine | None:
    psnr, ssim, bits = (lookup(metrics, "tokens", key) for key in ("psnr", "ssim", "bits_per_image"))
    if psnr is None or ssim is None or bits is None:
        return None
    text = f"PSNR and SSIM {ssim:.3f} after encoding to image tokens ({bits:,.0f} bits) and decoding."
    tone = _tone(min(psnr - DIRECT_PSNR[0], 100 * (ssim - DIRECT_SSIM[0])), 0.0, -3.0)
    return SummaryLine(f"{psnr:.1f} dB", text, tone)


def _attributes(metrics: Mapping[str, Any], path: str) -> SummaryLine | None:
    accuracy, psnr = (lookup(metrics, "text", path, key) for key in ("attribute_accuracy", "psnr"))
    if accuracy is None:
        return None
    tone = _tone(accuracy, 0.95 if path == "vae" else 0.90, 0.7)
    text = (
        f"of the original's attributes are in the image that {GENERATORS[path]} generates from its caption."
    )
    ceiling = lookup(metrics, "ceiling", "psnr")
    if psnr is not None and ceiling is not None:
        text += f" PSNR is {psnr:.1f} dB; the best possible is {ceiling:.1f} dB"
        baselines = (lookup(metrics, "baseline", name, "psnr") for name in ("mean_image", "same_caption"))
        weakest = min((value for value in baselines if value is not None), default=psnr)
        if psnr < weakest:
            text += f", and the weakest baseline has {weakest:.1f} dB"
            tone = "fair" if tone == "good" else tone
        text += "."
    return SummaryLine(f"{accuracy:.1%}", text, tone)


def _classes(metrics: Mapping[str, Any], path: str) -> SummaryLine | None:
    agreement = lookup(metrics, "text", path, "class_agreement")
    if agreement is None:
        return None
    real = lookup(metrics, "baseline", "real", "class_agreement")
    text = (
        f"of the images that {GENERATORS[path]} generates are assigned to their caption's class by a "
        f"classifier of real images{_or_empty('; of real images {:.0%}', real)}."
    )
    return SummaryLine(f"{agreement:.0%}", text, _tone(agreement, 0.8, 0.5))


def _variety(metrics: Mapping[str, Any]) -> SummaryLine | None:
    cas, real = (lookup(metrics, *keys, "cas") for keys in (("text", "champion"), ("baseline", "real")))
    if cas is None:
        return None
    text = (
        "of real images are recognized by a classifier that learned from images of the champion alone"
        f"{_or_empty('; by one that learned from real images, {:.0%}', real)}."
    )
    return SummaryLine(f"{cas:.0%}", text, _tone(cas, 0.55, 0.35))


def _retrieval(metrics: Mapping[str, Any], path: str) -> SummaryLine | None:
    precision = lookup(metrics, "text", path, "r_precision")
    if precision is None:
        return None
    real, chance = (lookup(metrics, "baseline", name, "r_precision") for name in ("real", "shuffled"))
    text = (
        f"of the images that {GENERATORS[path]} generates are matched to their own caption by an independent "
        f"evaluator{_or_empty('; of real images {:.0%}', real)}"
        f"{_or_empty('; with shuffled captions {:.0%}', chance)}."
    )
    return SummaryLine(f"{precision:.0%}", text, _tone(precision, 0.8 * (real or 1.0), 0.4 * (real or 1.0)))


def _speed(metrics: Mapping[str, Any]) -> SummaryLine | None:
    latency, rate, size = (
        lookup(metrics, "speed", "champion", key) for key in ("latency_p50_ms", "images_per_s", "size_mb")
    )
    if latency is None:
        return None
    batches = _or_empty(", and {:,.0f} images per second in batches", rate)
    text = f"from prompt to image with the champion, the fastest variant of sufficient quality{batches}."
    text += _or_empty(f" The model takes {SPEED['size_mb'].pattern}.", size)
    return SummaryLine(f"{latency:.1f} ms", text, _tone(-latency, -50.0, -500.0))


def _or_empty(pattern: str, value: float | None) -> str:
    return "" if value is None else pattern.format(value)


def _tone(value: float, good: float, fair: float) -> Tone:
    return "good" if value >= good else "fair" if value >= fair else "bad"

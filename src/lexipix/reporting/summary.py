"""The report's first words: what came out, in sentences that need no other knowledge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lexipix.reporting import metric_specs as wording

Tone = Literal["good", "fair", "bad"]

# The project's bars for the direct path; below the second of each pair a figure is called bad.
DIRECT_PSNR, DIRECT_SSIM = (29.0, 26.0), (0.88, 0.80)
DRAWN_BY = {"vae": "the VAE", "gan": "the GAN", "words": "the writer of visual words"}


@dataclass(frozen=True)
class SummaryLine:
    """One line of the summary: a figure, what it says, and whether that is good."""

    figure: str
    words: str
    tone: Tone


def findings(metrics: Mapping[str, Any], text_extras: Mapping[str, Mapping[str, float]]) -> list[SummaryLine]:
    """The summary of a run; what was not measured is left out.

    Args:
        metrics: As in `metrics.json`.
        text_extras: By path (`vae`, `gan`, `words`) the figures of the text path that are not in it, such as
            sharpness.
    """
    found = [_captions(metrics), _direct(metrics), _visual_words(metrics)]
    found += [_text(metrics, text_extras, path) for path in DRAWN_BY]
    found.append(_speed(metrics))
    return [finding for finding in found if finding is not None]


def lookup(metrics: Mapping[str, Any], *keys: str) -> float | None:
    """The number at a path of keys, or None."""
    value: Any = metrics
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _captions(metrics: Mapping[str, Any]) -> SummaryLine | None:
    exact, f1, cider = (lookup(metrics, "captioner", k) for k in ("exact_match", "attribute_f1", "cider_d"))
    if f1 is not None and exact is not None:
        return SummaryLine(
            f"{exact:.1%}",
            "of the test pictures are described word for word as the truth has it; "
            f"attribute F1 is {f1:.3f}.",
            _tone(exact, 0.95, 0.8),
        )
    if cider is not None:
        return SummaryLine(
            f"{cider:.2f}",
            "CIDEr-D of the generated captions: from 0, words that fit any picture, to 10, the true words.",
            _tone(cider, 1.0, 0.3),
        )
    return None


def _direct(metrics: Mapping[str, Any]) -> SummaryLine | None:
    psnr, ssim = lookup(metrics, "direct", "psnr"), lookup(metrics, "direct", "ssim")
    if psnr is None or ssim is None:
        return None
    tone: Tone = "good"
    if psnr < DIRECT_PSNR[0] or ssim < DIRECT_SSIM[0]:
        tone = "bad" if psnr < DIRECT_PSNR[1] or ssim < DIRECT_SSIM[1] else "fair"
    reached = "reaches" if tone == "good" else "misses"
    return SummaryLine(
        f"{psnr:.1f} dB",
        f"and SSIM {ssim:.3f} remain when a picture goes through the latent grid and back (direct path); "
        f"that {reached} the bar of {DIRECT_PSNR[0]:.0f} dB and {DIRECT_SSIM[0]}.",
        tone,
    )


def _visual_words(metrics: Mapping[str, Any]) -> SummaryLine | None:
    psnr, ssim, bits = (lookup(metrics, "words", key) for key in ("psnr", "ssim", "bits_per_image"))
    if psnr is None or ssim is None or bits is None:
        return None
    return SummaryLine(
        f"{psnr:.1f} dB",
        f"and SSIM {ssim:.3f} remain when a picture is written in visual words ({bits:,.0f} bits) and read "
        "again.",
        _tone(min(psnr - DIRECT_PSNR[0], 100 * (ssim - DIRECT_SSIM[0])), 0.0, -3.0),
    )


def _text(
    metrics: Mapping[str, Any], extras: Mapping[str, Mapping[str, float]], path: str
) -> SummaryLine | None:
    get = ("text", path)
    accuracy, precision = (lookup(metrics, *get, k) for k in ("attribute_accuracy", "r_precision"))
    psnr, ceiling = lookup(metrics, *get, "psnr"), lookup(metrics, "ceiling", "psnr")
    sharpness = extras.get(path, {}).get("sharpness")
    baselines = [lookup(metrics, "baseline", name, "psnr") for name in ("mean_image", "same_caption")]
    least = min((value for value in baselines if value is not None), default=None)
    drawn = f"by {DRAWN_BY[path]} from its caption alone"
    sharp = "" if sharpness is None else f" Edges are {sharpness:.0%} as steep as real ones."
    if accuracy is not None:
        beside, tone = "", _tone(accuracy, 0.95 if path == "vae" else 0.90, 0.7)
        if psnr is not None and ceiling is not None:
            beside = f" PSNR is {psnr:.1f} of {ceiling:.1f} dB possible"
            if least is not None and psnr < least:
                beside += f", less than the {least:.1f} dB of the weakest baseline"
                tone = "fair" if tone == "good" else tone
            beside += "."
        return SummaryLine(
            f"{accuracy:.1%}",
            f"of the original's attributes are found again in the picture drawn {drawn}.{beside}{sharp}",
            tone,
        )
    agreement = lookup(metrics, *get, "class_agreement")
    if agreement is not None:
        real = lookup(metrics, "baseline", "real", "class_agreement")
        learned, most = (lookup(metrics, *keys, "cas") for keys in (get, ("baseline", "real")))
        beside = "" if real is None else f"; of real pictures it does so of {real:.0%}"
        if learned is not None:
            beside += f". One that learned from these pictures alone knows {learned:.0%} of real ones"
            beside += "" if most is None else f", and {most:.0%} if from as many real ones"
        return SummaryLine(
            f"{agreement:.0%}",
            f"of the pictures drawn by {DRAWN_BY[path]} are taken for their caption's class by a "
            f"classifier of real pictures{beside}.{sharp}",
            _tone(min(agreement, 1.5 * (1.0 if learned is None else learned)), 0.8, 0.5),
        )
    if precision is not None:
        real, chance = (lookup(metrics, "baseline", k, "r_precision") for k in ("real", "shuffled"))
        beside = "" if real is None else f"; for real pictures it does so in {real:.0%}"
        beside += "" if chance is None else f", with shuffled captions in {chance:.0%}"
        return SummaryLine(
            f"{precision:.0%}",
            f"of the pictures drawn {drawn} are matched to their own caption by an independent judge"
            f"{beside}.{sharp}",
            _tone(precision, 0.8 * (real or 1.0), 0.4 * (real or 1.0)),
        )
    return None


def _speed(metrics: Mapping[str, Any]) -> SummaryLine | None:
    speed = metrics.get("speed", {})
    champion = speed.get("champion")
    figures = speed.get(champion) if isinstance(champion, str) else champion
    if not isinstance(figures, Mapping):
        return None
    latency, rate = lookup(figures, "latency_p50_ms"), lookup(figures, "images_per_s")
    if latency is None:
        return None
    batches = "" if rate is None else f", and {rate:,.0f} a second in batches"
    size = lookup(figures, "size_mb")
    small = "" if size is None else f" The model takes {wording.SPEED['size_mb'].write(size)}."
    return SummaryLine(
        f"{latency:.1f} ms",
        f"from prompt to picture with the fastest model that is good enough{batches}.{small}",
        _tone(-latency, -50.0, -500.0),
    )


def _tone(value: float, good: float, bad: float) -> Tone:
    return "good" if value >= good else "fair" if value >= bad else "bad"

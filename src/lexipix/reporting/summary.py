"""The summary at the top of the report: the most important results, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from lexipix.reporting.metric_specs import SPEED, lookup

Tone = Literal["good", "fair", "bad"]

# Targets of the direct path; a value below the second of a pair is bad
DIRECT_PSNR, DIRECT_SSIM = (29.0, 26.0), (0.88, 0.80)
GENERATORS = {"vae": "the VAE", "gan": "the GAN", "tokens": "the token generator"}


@dataclass(frozen=True)
class SummaryLine:
    """One line of the summary.

    Attributes:
        value: The number, with its unit.
        text: Its meaning; continues the number as a sentence.
        tone: Whether that is good.
    """

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
        lines.append(_text(metrics, path, text_extras.get(path, {}).get("sharpness")))
    return [line for line in [*lines, _speed(metrics)] if line is not None]


def _captions(metrics: Mapping[str, Any]) -> SummaryLine | None:
    exact, f1, cider = (lookup(metrics, "captioner", k) for k in ("exact_match", "attribute_f1", "cider_d"))
    if f1 is not None and exact is not None:
        text = f"of the generated captions equal the true caption word for word; attribute F1 is {f1:.3f}."
        return SummaryLine(f"{exact:.1%}", text, _tone(exact, 0.95, 0.8))
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


def _text(metrics: Mapping[str, Any], path: str, sharpness: float | None) -> SummaryLine | None:
    """The line of one generator: attribute accuracy, else class agreement, else R-precision."""
    own: Mapping[str, Any] = metrics.get("text", {}).get(path, {})
    baseline: Mapping[str, Any] = metrics.get("baseline", {})
    line = (
        _attributes(own, baseline, lookup(metrics, "ceiling", "psnr"), path)
        or _classes(own, baseline, path)
        or _retrieval(own, baseline, path)
    )
    if line is None or sharpness is None:
        return line
    return SummaryLine(line.value, f"{line.text} Sharpness is {sharpness:.0%} of real images.", line.tone)


def _attributes(
    own: Mapping[str, Any], baseline: Mapping[str, Any], ceiling: float | None, path: str
) -> SummaryLine | None:
    accuracy, psnr = lookup(own, "attribute_accuracy"), lookup(own, "psnr")
    if accuracy is None:
        return None
    tone = _tone(accuracy, 0.95 if path == "vae" else 0.90, 0.7)
    text = (
        f"of the original's attributes are in the image that {GENERATORS[path]} generates from its caption."
    )
    if psnr is not None and ceiling is not None:
        text += f" PSNR is {psnr:.1f} dB; the best possible is {ceiling:.1f} dB"
        weakest = min(
            (
                v
                for name in ("mean_image", "same_caption")
                if (v := lookup(baseline, name, "psnr")) is not None
            ),
            default=psnr,
        )
        if psnr < weakest:
            text += f", and the weakest baseline has {weakest:.1f} dB"
            tone = "fair" if tone == "good" else tone
        text += "."
    return SummaryLine(f"{accuracy:.1%}", text, tone)


def _classes(own: Mapping[str, Any], baseline: Mapping[str, Any], path: str) -> SummaryLine | None:
    agreement, cas = lookup(own, "class_agreement"), lookup(own, "cas")
    if agreement is None:
        return None
    real, real_cas = (lookup(baseline, "real", key) for key in ("class_agreement", "cas"))
    text = (
        f"of the images that {GENERATORS[path]} generates are assigned to their caption's class by a "
        f"classifier of real images{_or_empty('; of real images {:.0%}', real)}."
    )
    if cas is not None:
        text += f" A classifier trained on these images alone recognizes {cas:.0%} of real ones"
        text += _or_empty("; trained on as many real ones, {:.0%}", real_cas) + "."
    return SummaryLine(
        f"{agreement:.0%}", text, _tone(min(agreement, 1.5 * (1.0 if cas is None else cas)), 0.8, 0.5)
    )


def _retrieval(own: Mapping[str, Any], baseline: Mapping[str, Any], path: str) -> SummaryLine | None:
    precision = lookup(own, "r_precision")
    if precision is None:
        return None
    real, chance = (lookup(baseline, name, "r_precision") for name in ("real", "shuffled"))
    text = (
        f"of the images that {GENERATORS[path]} generates are matched to their own caption by an independent "
        f"evaluator{_or_empty('; of real images {:.0%}', real)}"
        f"{_or_empty('; with shuffled captions {:.0%}', chance)}."
    )
    return SummaryLine(f"{precision:.0%}", text, _tone(precision, 0.8 * (real or 1.0), 0.4 * (real or 1.0)))


def _speed(metrics: Mapping[str, Any]) -> SummaryLine | None:
    speed = metrics.get("speed", {})
    champion = speed.get("champion")
    own = speed.get(champion) if isinstance(champion, str) else champion
    latency = lookup(own or {}, "latency_p50_ms")
    if latency is None:
        return None
    rate, size = lookup(own, "images_per_s"), lookup(own, "size_mb")
    batches = _or_empty(", and {:,.0f} images per second in batches", rate)
    text = f"from prompt to image with the champion, the fastest variant of sufficient quality{batches}."
    text += "" if size is None else f" The model takes {SPEED['size_mb'].write(size)}."
    return SummaryLine(f"{latency:.1f} ms", text, _tone(-latency, -50.0, -500.0))


def _or_empty(pattern: str, value: float | None) -> str:
    return "" if value is None else pattern.format(value)


def _tone(value: float, good: float, fair: float) -> Tone:
    return "good" if value >= good else "fair" if value >= fair else "bad"

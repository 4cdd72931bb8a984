"""Chooses what the report shows of an evaluation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.evaluated_images import EvaluatedImages
from lexipix.evaluation.examples import choose_rows
from lexipix.metrics.images import ssim
from lexipix.reporting.report import CaptionExample, Gallery, ReportContext

Pixels = NDArray[np.uint8]
NAMES = {"scenes": "Embedded scenes", "cifar10": "CIFAR-10", "folder": "Own images"}


@dataclass(frozen=True)
class Paths:
    """The evaluated images and their versions from both paths.

    Attributes:
        real: The evaluated images.
        direct: Their reconstructions from the latent, uint8 (N, H, W, 3).
        drawn: Path (``vae``, ``gan``, …) to the images generated from their generated captions.
    """

    real: EvaluatedImages
    direct: Pixels
    drawn: Mapping[str, Pixels]

    def gallery(self, title: str, note: str, indices: Sequence[int]) -> Gallery:
        """Returns some of the images by all paths, with the SSIM of each version."""
        chosen = list(indices)
        images = self.real.images[chosen]
        text = {f"text: {path}": versions[chosen] for path, versions in self.drawn.items()}
        columns: dict[str, Any] = {"original": images, "direct": self.direct[chosen]}
        columns |= {"caption": [self.real.prompts[index] for index in chosen]} | text
        similarity = {
            name: ssim(images, versions) for name, versions in ({"direct": columns["direct"]} | text).items()
        }
        notes = [
            "\n".join(f"SSIM {values[i]:.3f} {name}" for name, values in similarity.items())
            for i in range(len(chosen))
        ]
        return Gallery(title, note, columns, notes)


def assemble(
    paths: Paths,
    evaluation: EvaluationParameters,
    metrics: Mapping[str, Any],
    evaluation_metrics: Mapping[str, Any],
    captioner_metrics: Mapping[str, Any],
    *,
    summary: Mapping[str, Any],
    shown: Mapping[str, Any],
    run_facts: Mapping[str, Any],
) -> ReportContext:
    """Chooses the images of the report and states the facts about data, evaluator and run.

    Args:
        paths: The images by all paths.
        evaluation: Parameters.
        metrics: As in ``metrics.json``.
        evaluation_metrics: As :func:`.path_metrics.measure_paths` returns it.
        captioner_metrics: Of the captioner's training and captions.
        summary: Of the ingestion.
        shown: Sheets and plots by the names of their datasets, and ``curves`` by model.
        run_facts: ``seed``, ``machine`` and ``code_revision``.
    """
    real = paths.real
    fixed, best, worst = choose_rows(real, paths.drawn, evaluation).values()
    galleries = [
        paths.gallery(
            "The same images by all paths",
            "Evenly spaced test images, the same in every run on these data.",
            fixed,
        ),
        paths.gallery("Best", "Test images with the highest mean SSIM of the text paths.", best),
        paths.gallery(
            "Worst", "Test images with the lowest mean SSIM of the text paths. Look here first.", worst
        ),
    ]
    return ReportContext(
        name=NAMES.get(str(summary.get("source")), str(summary.get("source", "Images"))),
        metrics=metrics,
        text_extras=evaluation_metrics["extras"],
        real_vs_real=evaluation_metrics["real_vs_real"],
        galleries=galleries,
        captions=[CaptionExample(real.images[i], real.references[i], real.prompts[i]) for i in fixed],
        caption_facts=_generated_captions(captioner_metrics),
        neighbors=shown["memorization_sheet"],
        rate=shown["rate_sheet"] if "rate" in metrics else None,
        information=shown["information_sheet"] if evaluation.information.n_images is not None else None,
        attention=[shown["attention_sheet"]],
        curves={name: rows for name, rows in shown["curves"].items() if len(rows)},
        training_seconds={
            name: values["seconds"]
            for name, values in metrics.get("training", {}).items()
            if "seconds" in values
        },
        data_sheet=shown["ingestion_sheet"],
        data_facts={
            "Source": str(summary.get("source", "")),
            "Without caption": f"{summary.get('uncaptioned', 0):,} images",
            "Digest": str(summary.get("digest", ""))[:12],
        },
        evaluator_facts=_evaluators(metrics, summary.get("n_judge")),
        n_images=len(real.images),
        n_candidates=evaluation_metrics.get("n_candidates"),
        **run_facts,
    )


def _evaluators(metrics: Mapping[str, Any], n_training: int | None) -> dict[str, str]:
    """What the evaluator is, and the accuracy of the classifier if there is one."""
    own_data = f", trained on {n_training:,} images that no other model sees" if n_training else ""
    facts = {"Evaluator": f"a contrastive image and text encoder with its own seed{own_data}"}
    accuracy = metrics["baseline"].get("real", {}).get("class_agreement")
    if accuracy is not None:
        facts["Classifier"] = f"trained on real images, accuracy about {accuracy:.1%} on real test images"
    return facts


def _generated_captions(captioner_metrics: Mapping[str, Any]) -> dict[str, str]:
    """Number and accuracy of the captions that the captioner wrote for training images without captions."""
    n_generated = captioner_metrics.get("generated_captions")
    if not n_generated:
        return {}
    facts = {"Generated for training images without captions": f"{n_generated:,} captions"}
    match = captioner_metrics.get("generated_captions_exact_match")
    if match is not None:
        facts["Equal to the withheld true caption"] = f"{match:.1%}"
    return facts

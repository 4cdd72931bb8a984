"""What the report shows of an evaluation, assembled from its results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.examples import choose_rows
from lexipix.evaluation.measure import Evaluated
from lexipix.metrics.images import ssim
from lexipix.reporting.report import CaptionExample, Gallery, ReportContext
from lexipix.utils.types import ModelBundle

Pixels = NDArray[np.uint8]
NAMES = {"scenes": "Embedded scenes", "cifar10": "CIFAR-10", "folder": "Own pictures"}


@dataclass(frozen=True)
class Paths:
    """The test pictures and what came of them on both paths.

    Attributes:
        real: The pictures under evaluation.
        direct: They, through the latent and back.
        drawn: By path (``vae``, ``gan``, …) the pictures drawn from their generated captions.
    """

    real: Evaluated
    direct: Pixels
    drawn: Mapping[str, Pixels]

    def gallery(self, title: str, note: str, rows: Sequence[int]) -> Gallery:
        """Some of the pictures by every way, with the SSIM of each."""
        chosen = list(rows)
        images = self.real.images[chosen]
        versions = {"direct": self.direct} | {f"text: {name}": images for name, images in self.drawn.items()}
        likeness = {name: ssim(images, version[chosen]) for name, version in versions.items()}
        columns: dict[str, Any] = {"original": images, "direct": self.direct[chosen]}
        columns["caption"] = [self.real.asked[row] for row in chosen]
        columns |= {f"text: {name}": pictures[chosen] for name, pictures in self.drawn.items()}
        notes = ["\n".join(f"SSIM {values[i]:.3f} {name}" for name, values in likeness.items())
                 for i in range(len(chosen))]  # fmt: skip
        return Gallery(title, note, columns, notes)


def assemble(
    paths: Paths,
    evaluation: EvaluationParameters,
    metrics: Mapping[str, Any],
    figures: Mapping[str, Any],
    *,
    summary: Mapping[str, Any],
    captioner: Mapping[str, Any],
    judge: ModelBundle,
    neighbours: Pixels,
    rate: Pixels,
    information: Pixels,
    attention: Pixels,
    data_sheet: Pixels,
    curves: Mapping[str, pd.DataFrame],
    seed: int,
    machine: str,
) -> ReportContext:
    """Choose the pictures that the report shows and name the facts around them.

    Args:
        paths: The pictures by every way.
        evaluation: Parameters.
        metrics: As in ``metrics.json``.
        figures: As ``measure_paths`` gives them.
        summary: Of the ingestion.
        captioner: Its figures, for what its captions of training pictures are worth.
        judge: The evaluator, for its card.
        neighbours: Sheet of drawn pictures and the nearest training pictures.
        rate: Plot of the direct path's quality over bits.
        information: Plot of both paths' quality over what is told of a picture.
        attention: Sheet of the captioner's attention.
        data_sheet: Samples of the data.
        curves: Of each training.
        seed: Of the run.
        machine: In words.
    """
    real = paths.real
    fixed, best, worst = choose_rows(real, paths.drawn, evaluation).values()
    chosen_by = "by the mean SSIM of the two text paths"
    galleries = [
        paths.gallery(
            "The same pictures by every way",
            "Test pictures, evenly spread, the same ones in every run on this data.",
            fixed,
        ),
        paths.gallery("Best", f"The test pictures that came back best, {chosen_by}.", best),
        paths.gallery("Worst", f"Those that came back worst, {chosen_by}. Look here first.", worst),
    ]
    n_judge = summary.get("n_judge")
    return ReportContext(
        name=NAMES.get(str(summary.get("source")), str(summary.get("source", "ImageSplits"))),
        metrics=metrics,
        text_extras=figures["extras"],
        floor=figures["floor"],
        galleries=galleries,
        captions=[CaptionExample(real.images[row], real.truths[row], real.asked[row]) for row in fixed],
        caption_facts=_generated_captions(captioner),
        neighbours=neighbours,
        rate=rate if "rate" in metrics else None,
        information=information if evaluation.information.n_images is not None else None,
        attention=[attention],
        curves={name: rows for name, rows in curves.items() if len(rows)},
        stage_seconds={
            name: values["seconds"]
            for name, values in metrics.get("training", {}).items()
            if "seconds" in values
        },
        data_sheet=data_sheet,
        data_facts={
            "Source": str(summary.get("source", "")),
            "Without caption": f"{summary.get('uncaptioned', 0):,} pictures",
            "Digest": str(summary.get("digest", ""))[:12],
        },
        judge_facts={
            "Judge": "a contrastive pair with its own seed"
            + (f", trained on {n_judge:,} pictures that nothing else was trained on" if n_judge else ""),
            **_second_judge(metrics),
        },
        n_images=len(real.images),
        n_candidates=figures.get("n_candidates"),
        seed=seed,
        machine=machine,
        code_revision=str(judge.card.get("code_revision", "")),
    )


def _second_judge(metrics: Mapping[str, Any]) -> dict[str, str]:
    """How well the classifier knows real pictures, where there is one."""
    right = metrics["baseline"].get("real", {}).get("class_agreement")
    if right is None:
        return {}
    return {"Second judge": f"a classifier of real pictures alone, right about {right:.1%} of real test ones"}


def _generated_captions(captioner: Mapping[str, Any]) -> dict[str, str]:
    """What the captions are worth that were written for training pictures that came without."""
    n_generated = captioner.get("generated_captions")
    if not n_generated:
        return {}
    facts = {"Written for training pictures that came without": f"{n_generated:,} captions"}
    match = captioner.get("generated_captions_exact_match")
    if match is not None:
        facts["The same as the true ones that were withheld"] = f"{match:.1%}"
    return facts

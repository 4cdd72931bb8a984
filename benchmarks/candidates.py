"""What the loop buys when it draws: quality over candidates and over refinement steps, with milliseconds.

    python benchmarks/candidates.py [--env ENV] [--pictures 1000] [--candidates 1 2 4 8 16] [--refined 24]

Needs a finished run of the environment. Two tables, `candidates` and `refinement`.

Candidates: the champion draws each true caption of test pictures as often as the row says, each with noise
of its own, and the scorer keeps the best, as `kedro generate --candidates` does. The scorer is the
features stage's pair; what judges is the evaluator, which shares neither pictures nor seed nor weights
with it, and, where pictures have classes, the classifier that learned from real ones (`class agreement`).
`score` is the scorer's own opinion and no measure: a choice by it raises it whatever becomes of the
pictures. KID and Frechet are distances to the real pictures of the captions, recall the share of real
pictures among the drawn ones. `ms each` is the time of all pictures together, drawing, scoring and reading
of captions included, over their number; `ms alone` that of one picture of a new caption, in the median.
The last row draws no further candidate of a picture whose score has reached what it names.

Refinement: test pictures are described by the captioner and drawn again by the whole generator, the best of
eight (`kedro redraw`); from there gradient steps lead to the picture itself. `path` says what the picture
comes from: `text`, words and noise; `text + noise` and `text + latent`, where so many `numbers` were fitted
to the picture; `no words + latent`, the same steps from a latent of zeros, which says what of the gain is
the words'; and, in a figure of its own, `direct`, the encoder's latent. `ms` is the time of the steps, one
picture at a time, measuring included.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from record import REPOSITORY, Row, save
from rich.console import Console

from lexipix.cli.project_context import ProjectContext
from lexipix.config.generation import RedrawParameters
from lexipix.evaluation.embedding import Judge
from lexipix.evaluation.labeled_images import classed
from lexipix.evaluation.measure import Evaluated, Pixels, TextPath, evaluated
from lexipix.inference.best_of import BestOfConfig, BestOfResult, best_of
from lexipix.inference.inversion import TRAINED, Beginning, from_pictures, from_words, refine
from lexipix.inference.inversion_result import InversionResult
from lexipix.inference.onnx_models import OnnxGenerator, Scorer, noise_of
from lexipix.inference.redraw import redraw
from lexipix.reporting.plots import blank_figure, rendered
from lexipix.reporting.sheet import rows_sheet
from lexipix.training.tasks.classifier import classify
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import Split

TRIES = 8  # of a redrawing, before it is refined
ALONE = 15  # pictures that are drawn one by one, for the time of one
N_SHOWN = 8
# Measures of the evaluator, as the table names them
MEASURES = {
    "attribute_accuracy": "attribute accuracy",
    "class_agreement": "class agreement",
    "r_precision": "R-precision",
    "kid": "KID",
    "frechet": "Frechet",
    "precision": "precision",
    "recall": "recall",
}
DIRECT = "direct"


def main() -> None:
    """Prints the tables and where they were written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment whose models and pictures are used [default: base]")
    parser.add_argument("--pictures", type=int, default=1000, help="captions that are drawn")
    parser.add_argument("--candidates", type=int, nargs="+", default=[1, 2, 4, 8, 16])
    parser.add_argument("--refined", type=int, default=24, help="pictures that are refined; 0: none")
    parser.add_argument("--steps", type=int, nargs="+", default=[0, 1, 2, 4, 8, 16, 32])
    parser.add_argument("--model", choices=tuple(TRAINED), help="that is refined [default: the champion's]")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    workshop, status = ProjectContext(REPOSITORY, arguments.env), Console(stderr=True)
    evaluation = workshop.parameters.evaluation.model_copy(update={"n_images": arguments.pictures})
    real = evaluated(evaluation, workshop.load("pictures"), workshop.load("captioner_test_captions"))
    pages = []
    with status.status("drawing candidates"):
        asked = [truth or said for truth, said in zip(real.truths, real.asked, strict=True)]
        prompted = replace(real, asked=asked)
        pages.append(by_candidates(workshop, prompted, sorted(arguments.candidates), arguments.out))
    if arguments.refined:
        with status.status("refining"):
            steps = sorted({0, *arguments.steps})
            pages.append(by_steps(workshop, real, arguments.refined, steps, arguments.model, arguments.out))
    for page in pages:
        print(page.read_text(encoding="utf-8"))
    print(f"Written to {' and '.join(map(str, pages))}; in MLflow under the experiment benchmarks.")


def by_candidates(workshop: ProjectContext, real: Evaluated, numbers: Sequence[int], out: Path) -> Path:
    """Measure and write the table of candidates."""
    run, evaluation = workshop.parameters.run, workshop.parameters.evaluation
    judge = TextPath(
        real, Judge(workshop.load("evaluator"), run, evaluation.batch_size), evaluation, run.seed
    )
    named = classes_named(workshop, real)
    name, drawer = workshop.drawer("champion")
    scorer = workshop.scorer()
    indices = np.arange(len(real.asked))  # each picture has noise of its own, as in the evaluation

    def choose(effort: BestOfConfig, rows: slice = slice(None)) -> BestOfResult:
        drawer.forget()
        return best_of(drawer, scorer, real.asked[rows], indices[rows], run.seed, effort)

    choose(BestOfConfig(), slice(0, 64))  # the first call pays for one-time set-up
    rows: list[Row] = []
    shown = {}

    def enter(label: str, effort: BestOfConfig) -> BestOfResult:
        start = time.perf_counter()
        chosen = choose(effort)
        each = (time.perf_counter() - start) / len(real.asked)
        figures, extras = judge(chosen.images)
        found = figures | extras | named(chosen.images)
        rows.append(
            {"candidates": label, "drawn": float(chosen.drawn.mean()), "score": float(chosen.scores.mean())}
            | {said: found[key] for key, said in MEASURES.items() if found.get(key) is not None}
            | {
                "ms each": 1000 * each,
                "ms alone": 1000 * alone(lambda row: choose(effort, slice(row, row + 1)), len(indices)),
            }
        )
        shown[label] = chosen.images
        return chosen

    chosen = [enter(str(number), BestOfConfig(number)) for number in numbers]
    curve = list(rows)
    enough = round(float(np.median(chosen[-1].scores)), 3)
    enter(f"until {enough:g}", BestOfConfig(numbers[-1], enough))
    judged = judge(real.images)[0] | named(real.images)
    ceilings = {
        f"real pictures' {MEASURES[key]}": judged[key]
        for key in ("attribute_accuracy", "class_agreement", "r_precision")
        if key in judged
    }
    facts = {
        "model": name, "pictures": len(real.asked), "seed": run.seed, "threads": torch.get_num_threads(),
**ceilings,
    }  # fmt: skip
    kept = (__doc__ or "").split("\n\n")[3]
    pictures = {"candidates": curves(curve, name), "candidates_sheet": sheet(real, shown)}
    return save("candidates", rows, facts, out, kept, pictures=pictures)


def classes_named(workshop: ProjectContext, real: Evaluated) -> Callable[[Pixels], dict[str, float]]:
    """How often the classifier names the class of the caption's own picture; nothing without classes."""
    classifier = workshop.load("classifier")
    if is_skipped(classifier):
        return lambda images: {}
    run, batch_size = workshop.parameters.run, workshop.parameters.evaluation.batch_size

    def agreement(images: Pixels) -> dict[str, float]:
        asked = classed(Split(images, real.table), classifier.config["classes"])
        named = classify(classifier, asked.images, run, batch_size)
        return {"class_agreement": float((named == asked.numbers).mean())}

    return agreement


def by_steps(
    workshop: ProjectContext, real: Evaluated, n: int, marks: Sequence[int], model: str | None, out: Path
) -> Path:
    """Measure and write the table of refinement steps."""
    run = workshop.parameters.run
    chosen = np.unique(np.linspace(0, len(real.asked) - 1, n).astype(int))
    name, drawer = next(iter(workshop.drawers(model or "champion").items()))
    scorer, bundle = workshop.scorer(), workshop.load(TRAINED[name])
    arms: dict[str, list[InversionResult]] = {}
    for row in chosen:
        picture, text = real.images[row], real.asked[row]
        noise = best_noise(drawer(), scorer, picture, text, run.seed)
        latent = from_words(bundle, [text], noise, "latent", run)
        beginnings: dict[str, Beginning] = {
            "text + noise": from_words(bundle, [text], noise, "noise", run),
            "text + latent": latent,
            "no words + latent": replace(latent, points=torch.zeros_like(latent.points)),
            "direct + latent": from_pictures(workshop.load("vae"), picture[None], run),
        }
        for arm, beginning in beginnings.items():
            arms.setdefault(arm, []).append(refine(beginning, picture, marks[-1], None, name))
    rows = [row for arm, each in arms.items() for row in arm_rows(arm, each, marks)]
    facts = {"model": name, "pictures": len(chosen), "tries": TRIES, "threads": torch.get_num_threads()}
    kept = (__doc__ or "").split("\n\n")[4]
    by_words = [row for row in rows if not row["path"].startswith(DIRECT)]
    direct = [row for row in rows if row["path"].startswith(DIRECT)]
    pictures = {
        "refinement": step_curves(by_words, f"Steps towards the picture, {name}"),
        "refinement_direct": step_curves(direct, "Steps towards the picture, direct path (no words)"),
        "refinement_sheet": refinement_sheet(arms, [real.asked[row] for row in chosen]),
    }
    return save("refinement", rows, facts, out, kept, pictures=pictures)


def alone(choose: Callable[[int], Any], n: int) -> float:
    """Seconds for one picture, the median over some rows of n."""
    seconds = []
    for row in np.linspace(0, n - 1, min(n, ALONE)).astype(int):
        start = time.perf_counter()
        choose(int(row))
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds))


def best_noise(
    drawer: OnnxGenerator, scorer: Scorer, picture: Pixels, text: str, seed: int
) -> NDArray[np.float32]:
    """The noise (1, Z) of the best of some tries, as ``kedro redraw`` finds it."""

    def never() -> Any:
        raise AssertionError("every picture has its text")

    parameters = RedrawParameters(budget=TRIES, round_size=TRIES)
    found = redraw(picture, text, "captioner", {"it": lambda: drawer}, never, scorer, parameters, seed)
    return noise_of(seed, found.tries[found.best].index, drawer.noise_dim)


def arm_rows(arm: str, each: Sequence[InversionResult], marks: Sequence[int]) -> list[Row]:
    """A row for each mark: the mean figures of all pictures after so many steps."""
    rows: list[Row] = []
    for mark in marks:
        steps = [one.steps[mark] for one in each]
        begun = arm.split(" + ")[0]
        row: Row = {
            "path": arm if mark else begun,
            "fitted": arm.split(" + ")[1],
            "steps": mark,
            "numbers": each[0].numbers if mark or begun == DIRECT else 0,
            "PSNR": float(np.mean([step.psnr for step in steps])),
        }
        if all(step.ssim is not None for step in steps):
            row["SSIM"] = float(np.mean([step.ssim for step in steps if step.ssim is not None]))
        share = (mark + 1) / len(each[0].steps)
        rows.append(row | {"ms": 1000 * share * float(np.median([one.seconds for one in each]))})
    return rows


def curves(rows: Sequence[Row], title: str) -> Pixels:
    """Each measure over the number of candidates, with the milliseconds of a picture beneath."""
    drawn = ["score", *(said for said in MEASURES.values() if said in rows[0])]
    columns = 4
    figure = blank_figure(3.1 * columns, 2.5 * -(-len(drawn) // columns))
    ticks = [f"{row['candidates']}\n{row['ms each']:.2g} ms" for row in rows]
    for place, measure in enumerate(drawn):
        axes = figure.add_subplot(-(-len(drawn) // columns), columns, place + 1)
        color = "gray" if measure == "score" else "tab:blue"
        values = [row[measure] for row in rows]
        axes.plot(range(len(rows)), values, marker="o", color=color)
        # A change by a hundredth of a figure is not to look like one from top to bottom
        middle = (max(values) + min(values)) / 2
        half = 0.6 * max(max(values) - min(values), 0.1 * abs(middle), 1e-3)
        axes.set_ylim(middle - half, middle + half)
        axes.set(title=f"{measure} (the scorer's own)" if measure == "score" else measure)
        axes.set_xticks(range(len(rows)), ticks, fontsize=7)
    figure.suptitle(f"Best of so many candidates, {title}")
    return rendered(figure)


def step_curves(rows: Sequence[Row], title: str) -> Pixels:
    """PSNR and SSIM over steps, a line for each start and what was fitted."""
    figure = blank_figure(10, 4)
    for place, measure in enumerate(("PSNR", "SSIM")):
        axes = figure.add_subplot(1, 2, place + 1)
        lines: dict[str, list[Row]] = {}
        for row in rows:
            begun = row["path"].split(" + ")[0]
            lines.setdefault(f"{begun} + {row['fitted']}", []).append(row)
        for name, some in lines.items():
            known = [row for row in some if measure in row]
            axes.plot(
                [row["steps"] for row in known], [row[measure] for row in known], marker="o", label=name
            )
        axes.set_xscale("symlog", base=2, linthresh=1)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set(title=measure, xlabel="steps")
        axes.legend()
    figure.suptitle(title)
    return rendered(figure)


def sheet(real: Evaluated, drawn: Mapping[str, Pixels]) -> Pixels:
    """The same captions by the best of more and more candidates, beside the real pictures."""
    chosen = np.unique(np.linspace(0, len(real.asked) - 1, N_SHOWN).astype(int))
    columns = {"real": real.images[chosen]} | {name: images[chosen] for name, images in drawn.items()}
    return rows_sheet(columns, [real.asked[row] for row in chosen], scale=5)


def refinement_sheet(arms: Mapping[str, Sequence[InversionResult]], texts: Sequence[str]) -> Pixels:
    """The given picture, what the words drew, and what the most steps made of it by way of words."""
    words = arms["text + latent"][:N_SHOWN]
    columns = {
        "given": np.stack([one.given for one in words]),
        "text": np.stack([one.images[0] for one in words]),
    }
    for arm, each in arms.items():
        if not arm.startswith(DIRECT):
            columns[arm] = np.stack([one.images[-1] for one in each[:N_SHOWN]])
    return rows_sheet(columns, list(texts[:N_SHOWN]), scale=5)


if __name__ == "__main__":
    main()

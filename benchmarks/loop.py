"""What validation that steers a training is worth: the same budget with and without, judged by the evaluator.

    python benchmarks/loop.py [--env ENV] [--stages prior gan] [--seeds 0 1 2] [--images N] [--gan-images N]

Needs a finished run of the environment. For each seed the text prior, and the GAN that starts from the run's
own prior, are trained twice by the stage's own node: with `generator.loop.enabled` and without, all else the
same, as many pictures each. Both draw from the captions that the evaluation draws from, and the evaluator,
which neither training nor steering ever asks, judges them. A gain is the difference of the two trainings of a
seed, counted so that more is better. What is finished is kept as JSON in the folder that `--out` names, and
an interrupted comparison goes on from there.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from quality import MEASURES
from record import REPOSITORY, Row, save, table
from trials import Silent, kept

from lexipix.cli.project_context import ProjectContext
from lexipix.config.generator import LoopParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation.embedding import Judge
from lexipix.evaluation.measure import TextPath, evaluated
from lexipix.evaluation.round_trips import from_captions
from lexipix.pipelines.generator.nodes import train_gan, train_prior
from lexipix.reporting.plots import blank_figure, rendered

CURVES = ("val_psnr", "val_alignment")
COLORS = {"on": "#d1651b", "off": "#2f6db5"}
Trials = dict[str, list[dict[str, Any]]]  # "on" and "off" to a result for each seed


class Bench:
    """Everything that the trainings share, read once.

    Args:
        workshop: Of the environment.
        images: Pictures that the prior's and the GAN's training see; None: as many as the environment says.
        reports: Validations of each.
        judged: Pictures that the evaluator judges.
    """

    def __init__(
        self, workshop: ProjectContext, images: Mapping[str, int | None], reports: int | None, judged: int
    ) -> None:
        self.workshop, self.run = workshop, workshop.parameters.run
        self.generator = workshop.parameters.generator
        given = {"prior": self.generator.prior, "gan": self.generator.gan}
        self.parameters: dict[str, Any] = {}
        for stage, parameters in given.items():
            wanted = {"images": images[stage], "reports": reports}
            changes = {key: value for key, value in wanted.items() if value is not None}
            training = parameters.training.model_copy(update=changes)
            self.parameters[stage] = parameters.model_copy(update={"training": training})
        self.read = {
            name: workshop.load(name) for name in ("pictures", "captions_complete", "contrastive_pair")
        }
        evaluation = workshop.parameters.evaluation.model_copy(update={"n_images": judged})
        captions = workshop.load("captioner_test_captions")
        self.real = evaluated(evaluation, self.read["pictures"], captions)
        judge = Judge(workshop.load("evaluator"), self.run, evaluation.batch_size)
        self.judge, self.batch = TextPath(self.real, judge, evaluation, self.run.seed), evaluation.batch_size

    def trained(self, stage: str, loop: LoopParameters, seed: int, precision: str) -> dict[str, Any]:
        """Train once and give what the evaluator says, the training's own figures, and its curves."""
        run = self.run.model_copy(update={"seed": seed, "precision": precision})
        node, needed = {
            "prior": (train_prior, ("captioner", "vae")),
            "gan": (train_gan, ("prior",)),
        }[stage]
        machinery = ({}, Silent(), Silent())
        bundle, curves, figures, _ = node(
            self.parameters[stage], self.generator.launch, loop, self.generator.flip, run,
            *self.read.values(), *map(self.workshop.load, needed), *machinery,
        )  # fmt: skip
        drawn = from_captions(bundle, self.real.asked, self.run, self.batch)
        found, extras = self.judge(drawn)
        chosen = [name for name in curves.columns if name in ("images_seen", *CURVES)]
        return {
            "judged": {key: value for key, value in (found | extras).items() if key in MEASURES},
            "figures": figures,
            "curves": {name: [float(value) for value in curves[name]] for name in chosen},
        }

    def setting(self, stage: str, loop: LoopParameters, run: RunParameters) -> dict[str, Any]:
        """What makes two results the same but for seed and switch."""
        return {
            "digest": self.read["pictures"].digest,
            "judged": len(self.real.asked),
            "parameters": self.parameters[stage].model_dump(mode="json"),
            "loop": loop.model_dump(mode="json") if loop.enabled else None,
            "precision asked for": run.precision,
        }


def main() -> None:
    """Prints the tables and where they were written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment whose models and pictures are used [default: base]")
    parser.add_argument("--stages", nargs="+", choices=("prior", "gan"), default=["prior", "gan"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, help="of the prior's training [default: the environment's]")
    parser.add_argument("--gan-images", type=int, help="of the GAN's training [default: the environment's]")
    parser.add_argument("--reports", type=int, help="validations of each [default: the environment's]")
    parser.add_argument("--judged", type=int, default=1000, help="pictures that the evaluator judges")
    parser.add_argument("--share", type=float, help="generator.loop.share, in its place")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    lengths = {"prior": arguments.images, "gan": arguments.gan_images}
    bench = Bench(ProjectContext(REPOSITORY, arguments.env), lengths, arguments.reports, arguments.judged)
    changes = {} if arguments.share is None else {"share": arguments.share}
    wanted = bench.generator.loop.model_copy(update=changes)
    rows: list[Row] = []
    gains: list[Row] = []
    plots: dict[str, NDArray[np.uint8]] = {}
    for stage in arguments.stages:
        found: Trials = {"off": [], "on": []}
        precision = bench.run.precision
        for seed in arguments.seeds:
            for switch in found:  # in turns: a machine that becomes slower does so for both
                loop = wanted.model_copy(update={"enabled": switch == "on"})
                place = arguments.out / "loop" / f"{stage}-{switch}-{seed}.json"
                trial = kept(
                    place,
                    bench.setting(stage, loop, bench.run),
                    partial(bench.trained, stage, loop, seed, precision),
                )
                found[switch].append(trial)
                precision = trial["figures"]["precision"].split("/")[-1]  # the first one's probe decides
        rows += [row(stage, switch, trials) for switch, trials in found.items()]
        gains += gains_of(stage, found)
        plots[f"loop_{stage}"] = plot(stage, found)
    facts = {"seeds": " ".join(map(str, arguments.seeds)), "pictures judged": len(bench.real.asked)}
    facts |= {f"{stage} images": bench.parameters[stage].training.images for stage in arguments.stages}
    facts |= {key: value for key, value in wanted.model_dump().items() if key != "enabled"}
    notes = "\n\n".join([table(gains), (__doc__ or "").split("\n\n")[-1]])
    page = save("loop", rows, facts, arguments.out, notes, pictures=plots)
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def row(stage: str, switch: str, trials: Sequence[Mapping[str, Any]]) -> Row:
    """Means over the seeds of what the evaluator says."""
    found: Row = {"stage and loop": f"{stage}, {switch}"}
    for key, (said, _) in MEASURES.items():
        values = [trial["judged"].get(key) for trial in trials]
        if None not in values:
            found[said] = statistics.mean(values)
    found["training, s"] = statistics.mean(trial["figures"]["seconds"] for trial in trials)
    return found


def gains_of(stage: str, found: Trials) -> list[Row]:
    """For each figure the differences of the seeds' two trainings: mean, extremes, and how many gained."""
    rows = []
    for key, (said, sign) in MEASURES.items():
        pairs = [
            (on["judged"].get(key), off["judged"].get(key))
            for on, off in zip(found["on"], found["off"], strict=True)
        ]
        if any(None in pair for pair in pairs):
            continue
        gains = [sign * (on - off) for on, off in pairs]
        rows.append(
            {
                "stage": stage,
                "gain in": said,
                "mean": statistics.mean(gains),
                "least": min(gains),
                "most": max(gains),
                "seeds that gained": f"{sum(gain > 0 for gain in gains)} of {len(gains)}",
            }
        )
    return rows


def plot(stage: str, found: Trials) -> NDArray[np.uint8]:
    """Validation over pictures seen: a line for each seed, with the loop and without."""
    names = [name for name in CURVES if name in found["off"][0]["curves"]]
    figure = blank_figure(5 * len(names), 3.5)
    for place, name in enumerate(names):
        axes = figure.add_subplot(1, len(names), place + 1)
        for switch, trials in found.items():
            for number, trial in enumerate(trials):
                axes.plot(
                    trial["curves"]["images_seen"], trial["curves"][name], color=COLORS[switch],
                    linewidth=1.2, label=None if number else f"loop {switch}",
                )  # fmt: skip
        axes.set(title=f"{stage}: {name}", xlabel="pictures seen")
        axes.legend(fontsize=8)
    return rendered(figure)


if __name__ == "__main__":
    main()

"""What pictures without a caption are worth: the text prior's drawings where one picture in ten has one.

    python benchmarks/few_captions.py --env ENV [--share 0.1] [--least 0 0.5] [--seeds 0 1 2]

Needs a finished run of the environment, of pictures that nearly all have a caption. For each seed a share of
the training and validation captions is kept and the others are withheld; features and captioner are trained
by their stages' own nodes on what is left, and the captioner describes the other pictures. Then the text
prior learns from the kept captions alone ("none"), with the descriptions that the captioner is at least so
sure of (`captioner.least_sure`), and from all true ones ("true"). Each draws from kept captions, from
withheld ones, and from those of the test split, and the evaluator, which knows the true captions of pictures
that nothing else sees, says how often it finds each among 100. What is finished is kept as JSON in the folder
that `--out` names, and an interrupted comparison goes on from there.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import REPOSITORY, Row, save
from trials import Silent, kept

from lexipix.cli.project_context import ProjectContext
from lexipix.config.run import RunParameters
from lexipix.evaluation.embedding import Judge
from lexipix.evaluation.measure import spread
from lexipix.evaluation.prompts import Prompts, SummaryLine
from lexipix.evaluation.round_trips import from_captions
from lexipix.pipelines.captioner.nodes import caption_missing, train_captioner
from lexipix.pipelines.features.nodes import train_features
from lexipix.pipelines.generator.nodes import train_prior
from lexipix.utils.types import ImageSplits, Split

CANDIDATES = 100


def masked(split: Split, share: float, rng: np.random.Generator) -> Split:
    """The split with but a share of its captions."""
    table = split.captions.copy()
    withheld = rng.random(len(table)) >= share
    for name in ("caption", "caption_source"):
        table[name] = table[name].where(~withheld, None)
    table["paraphrases"] = [
        [] if gone else list(texts) for gone, texts in zip(withheld, table["paraphrases"], strict=True)
    ]
    return Split(split.images, table)


class Bench:
    """Everything that the trainings share, read once.

    Args:
        workshop: Of the environment.
        share: Of the captions that are kept.
        judged: Captions of each kind that are drawn from.
    """

    def __init__(self, workshop: ProjectContext, share: float, judged: int) -> None:
        self.workshop, self.share, self.judged = workshop, share, judged
        self.pictures: ImageSplits = workshop.load("pictures")
        self.vae = workshop.load("vae")
        self.judge = Judge(workshop.load("evaluator"), workshop.parameters.run, 256)
        self._read: dict[int, Any] = {}

    def read(self, seed: int) -> tuple[ImageSplits, Any, Any]:
        """Pictures of which few have a caption, and the pair and the captioner that learned from these."""
        if seed not in self._read:
            rng = np.random.default_rng(seed)
            few = replace(
                self.pictures,
                train=masked(self.pictures.train, self.share, rng),
                val=masked(self.pictures.val, self.share, rng),
            )
            run = self.run(seed)
            parameters, models = self.workshop.parameters, self.workshop.load("pretrained_models")
            pair = train_features(parameters.features, run, few, models, {}, Silent(), Silent())[0]
            given = (parameters.captioner, run, few, pair, models)
            self._read = {seed: (few, pair, train_captioner(*given, {}, Silent(), Silent())[0])}
        found: tuple[ImageSplits, Any, Any] = self._read[seed]
        return found

    def run(self, seed: int) -> RunParameters:
        """The run's parameters with another seed."""
        return self.workshop.parameters.run.model_copy(update={"seed": seed})

    def trained(self, arm: str, seed: int) -> dict[str, Any]:
        """Train the prior once and give what the evaluator says, and of how many captions it learned."""
        few, pair, captioner = self.read(seed)
        run, parameters = self.run(seed), self.workshop.parameters
        table, truth = few.train.captions, self.pictures.train.captions
        if arm == "true":
            complete = truth
        elif arm == "none":
            complete = table
        else:
            sure = parameters.captioner.model_copy(update={"least_sure": float(arm)})
            complete = caption_missing(sure, run, captioner, few)
        described = complete["caption"].notna() & table["caption"].isna() & truth["caption"].notna()
        right = complete["caption"][described].str.lower() == truth["caption"][described].str.lower()
        bundle = train_prior(
            parameters.generator.prior, parameters.generator.launch, parameters.generator.loop,
            parameters.generator.flip, run, few, complete, pair, captioner, self.vae, {}, Silent(), Silent(),
        )[0]  # fmt: skip
        withheld = (table["caption"].isna() & truth["caption"].notna()).to_numpy()
        asked = {
            "kept": (self.pictures.train, table["caption"].notna()),
            "withheld": (self.pictures.train, withheld),
            "test": (self.pictures.test, self.pictures.test.captions["caption"].notna()),
        }
        found = {
            name: self.precision(bundle, split, np.flatnonzero(chosen), run)
            for name, (split, chosen) in asked.items()
        }
        return {
            "learned from": int(complete["caption"].notna().sum()),
            "word for word": float(right.mean()) if len(right) else None,
            **{name: drawn for name, (drawn, _) in found.items()},
            **{f"{name}, real": real for name, (_, real) in found.items()},
        }

    def precision(
        self, bundle: Any, split: Split, rows: NDArray[np.intp], run: RunParameters
    ) -> tuple[float, float]:
        """R-precision of what is drawn from a split's captions, and of its pictures."""
        rows = rows[spread(len(rows), self.judged)]
        captions = [str(text) for text in split.captions["caption"].iloc[rows]]
        prompts = Prompts(split.images[rows], [[text] for text in captions])
        finding, every = SummaryLine(prompts, self.judge, CANDIDATES, run.seed), np.arange(len(rows))
        return finding(from_captions(bundle, captions, run, 128), every), finding(prompts.images, every)

    def setting(self, arm: str, seed: int) -> dict[str, Any]:
        """What makes two results the same."""
        parameters = self.workshop.parameters
        chosen = {
            "features": parameters.features, "captioner": parameters.captioner,
            "prior": parameters.generator.prior, "loop": parameters.generator.loop,
        }  # fmt: skip
        return {
            "arm": arm, "seed": seed, "share": self.share, "judged": self.judged,
            "digest": self.pictures.digest,
            **{name: part.model_dump(mode="json") for name, part in chosen.items()},
        }  # fmt: skip


def main() -> None:
    """Prints the table and where it was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment whose models and pictures are used [default: base]")
    parser.add_argument("--share", type=float, default=0.1, help="of the captions that are kept")
    parser.add_argument("--least", type=float, nargs="+", default=[0.0, 0.5], help="values of least_sure")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--judged", type=int, default=500, help="captions of each kind that are drawn from")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    bench = Bench(ProjectContext(REPOSITORY, arguments.env), arguments.share, arguments.judged)
    arms = ["none", *map(str, arguments.least), "true"]
    found: dict[str, list[dict[str, Any]]] = {arm: [] for arm in arms}
    for seed in arguments.seeds:
        for arm in arms:
            place = arguments.out / "few_captions" / f"{arguments.share}-{arm}-{seed}.json"
            found[arm].append(kept(place, bench.setting(arm, seed), partial(bench.trained, arm, seed)))
    rows = [row(arm, trials) for arm, trials in found.items()]
    facts = {"seeds": " ".join(map(str, arguments.seeds)), "captions kept": arguments.share}
    facts |= {"captions drawn from": arguments.judged}
    page = save("few_captions", rows, facts, arguments.out, (__doc__ or "").split("\n\n")[-1])
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def row(arm: str, trials: Sequence[Mapping[str, Any]]) -> Row:
    """Means over the seeds; of the drawings also the extremes."""
    said: Row = {"descriptions": arm if arm in ("none", "true") else f"as sure as {arm}"}
    for key in ("learned from", "word for word"):
        values = [trial[key] for trial in trials]
        said[key] = "-" if None in values else statistics.mean(values)
    for key in ("kept", "withheld", "test"):
        values = [trial[key] for trial in trials]
        real = statistics.mean(trial[f"{key}, real"] for trial in trials)
        spread_of = f" ({min(values):.2f} to {max(values):.2f})" if len(values) > 1 else ""
        said[key] = f"{statistics.mean(values):.3f}{spread_of}, real {real:.3f}"
    return said


if __name__ == "__main__":
    main()

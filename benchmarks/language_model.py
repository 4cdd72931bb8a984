"""What a language model that was trained before is worth to the generators' training.

    python benchmarks/language_model.py [--env ENV] [--stages prior gan] [--arms frozen …] [--seeds 0 1 2]
        [--images 32000] [--target 0.7] [--marks 0.3 0.6]

Needs the features, the captioner and the VAE of a run whose captions describe scenes (`make run`). Each arm
(benchmarks/readers.py) trains the text prior, and the GAN, from random weights, reading the captions in its
own way; everything else, the batches and the random numbers are the same. Beside it the prior reads
(`--beside`) what the contrastive text encoder says, which was trained on the same captions and may know
already all that a language model could tell; or, without that encoder, a vector in the space of pictures that
a linear map of the arm's own states gives, solved in seconds before the training; or no vector. Every so many
pictures the validation captions are drawn with the same noise, and the oracle says which attributes are
there; a training ends once it has the target. The table has the accuracies passed on the way there, too
(`--marks`), since a training that gave up before the target tells no more than that it takes longer. Seconds
are pictures over a rate that is measured afterwards, all arms taking turns. What is finished is kept as JSON
in the folder that `--out` names, and an interrupted comparison goes on from there.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from readers import ARMS, Beside
from reading_probe import probed
from reading_trials import Bench, Setting, images_to, rates, trained
from record import REPOSITORY, Row, save, table
from tokenizers import Tokenizer
from trials import kept

from lexipix.cli.project_context import ProjectContext
from lexipix.reporting.plots import blank_figure, rendered
from lexipix.training.precision import choose_precision

Curves = dict[tuple[str, Beside], list[dict[str, Any]]]  # by arm and by what is read beside it
SHOWN_ARMS = ("frozen", "finetuned", "random", "bag")
BASE = "random"  # speed-ups are over this arm
# Where the caption's vector comes from
BESIDE: dict[Beside, str] = {
    "contrastive": "and states of the contrastive text encoder",
    "solved": "from the own states, solved",
    "nothing": "none",
}
FEWER, FASTER = f"times as few pictures as {BASE}", f"times as fast as {BASE}"
N_PROBED = 3_000  # captions that linear maps are fitted on
COLORS = {
    "frozen": "#2f6db5", "finetuned": "#d1651b", "random": "#9aa0a6", "bag": "#202124",
    "random-frozen": "#c9b037", "layers": "#7b3fa0", "none": "#b0413e", "told": "#2e8b57",
    "none-told": "#88c9a1",
}  # fmt: skip


def main() -> None:
    """Prints the table and where it was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment whose models and pictures are used [default: base]")
    parser.add_argument("--stages", nargs="+", choices=("prior", "gan"), default=["prior", "gan"])
    parser.add_argument("--arms", nargs="+", choices=tuple(ARMS), default=list(SHOWN_ARMS))
    parser.add_argument("--beside", nargs="+", choices=tuple(BESIDE), default=["solved", "contrastive"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=32_000, help="pictures after which a training gives up")
    parser.add_argument("--gan-images", type=int, default=24_000, help="the same for the GAN")
    parser.add_argument("--target", type=float, default=0.7, help="attribute accuracy that ends a training")
    parser.add_argument("--gan-target", type=float, default=0.5, help="the same for the GAN")
    parser.add_argument(
        "--marks", type=float, nargs="*", default=[0.3, 0.6], help="lower accuracies that the table has"
    )
    parser.add_argument("--width", type=int, help="of the prior [default: the environment's]")
    parser.add_argument("--every", type=int, default=2_000, help="pictures between two looks at the accuracy")
    parser.add_argument("--shown", type=int, default=256, help="validation captions drawn at each look")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), default="auto")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    given = {"generator": {"prior": {"width": arguments.width}}} if arguments.width else None
    bench = Bench(ProjectContext(REPOSITORY, arguments.env, given), arguments.shown)
    rows: list[Row] = []
    plots: dict[str, NDArray[np.uint8]] = {}
    facts: dict[str, Any] = {"captions drawn": bench.n_shown}
    for stage in arguments.stages:
        setting = settled(bench, stage, arguments)
        arms: list[tuple[str, Beside]] = [(name, to) for to in arguments.beside for name in arguments.arms]
        arms = [arm for arm in arms if possible(stage, *arm)]
        found: Curves = {arm: [] for arm in arms}
        for seed in arguments.seeds:  # all arms of a seed first: what is there can be compared
            for name, beside in arms:
                place = f"{stage}-{name}-{beside}-{seed}.json"
                found[name, beside].append(
                    kept(
                        arguments.out / "language_model" / place,
                        asdict(setting),
                        partial(trained, bench, setting, name, beside, seed),
                    )
                )
        speed = rates(bench, stage, arms, setting.batch, setting.precision)
        marks = sorted({mark for mark in arguments.marks if mark < setting.target} | {setting.target})
        rows += [row(stage, arm, arms, found, speed, setting, mark) for mark in marks for arm in arms]
        plots[f"language_model_{stage}"] = plot(stage, found, setting)
        facts |= {
            f"{stage} target": setting.target,
            f"{stage} images": setting.images,
            f"{stage} precision": setting.precision,
        }
    sentences = [sentence for stage in arguments.stages if (sentence := said(stage, rows))]
    notes = "\n\n".join([*sentences, *known(bench), (__doc__ or "").split("\n\n")[-1]])
    page = save("language_model", rows, facts, arguments.out, notes, pictures=plots)
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def possible(stage: str, name: str, beside: Beside) -> bool:
    """Whether there is anything to read, and whether the stage has the loss that the arm asks for."""
    arm = ARMS[name]
    return (beside == "contrastive" or arm.weights != "none") and (stage == "prior" or not arm.told)


def settled(bench: Bench, stage: str, arguments: argparse.Namespace) -> Setting:
    """The setting of a stage; which precision is the fastest is tried once, with the first arm."""
    training = (bench.generator.prior if stage == "prior" else bench.generator.gan).training
    asked = {"stage": stage, "batch": training.batch_size, "width": bench.generator.prior.width}

    def fastest() -> dict[str, Any]:
        run = bench.run.model_copy(update={"precision": arguments.precision})
        task = bench.task(stage, arguments.arms[0], "contrastive", 0)
        machine = choose_precision(task, training.batch_size, run, stage)
        return {"precision": "bf16" if machine.bf16 else "fp32"}

    place = arguments.out / "language_model" / f"{stage}-precision.json"
    asked |= {"precision asked for": arguments.precision}
    return Setting(
        digest=bench.pictures.digest,
        stage=stage,
        images=arguments.images if stage == "prior" else arguments.gan_images,
        every=arguments.every,
        shown=bench.n_shown,
        target=arguments.target if stage == "prior" else arguments.gan_target,
        batch=training.batch_size,
        precision=kept(place, asked, fastest)["precision"],
        width=bench.generator.prior.width,
    )


def known(bench: Bench) -> list[str]:
    """What linear maps find in the words' states, and what that is."""
    own, (learn, test) = bench.pair_bundle, bench.wordings
    tokenizer = Tokenizer.from_str(own.tokenizer or "")
    found = probed(
        bench.captioner,
        bench.pair.text_encoder,
        tokenizer,
        own.config["max_tokens"],
        learn[:N_PROBED],
        test,
        (bench.pictured, bench.validated),
    )
    said = (
        "Shares of an object's size, color and shape that a linear map finds in the state of the last word "
        "of its place, on validation captions (guessing: 0.5, 0.125 and 0.125); at once: in directions in "
        "which the states differ most, which gradient descent finds first. Picture among 64: the share of "
        "validation pictures whose own caption is the nearest, by vectors that a linear map of states gives."
    )
    return [said, table(found)]


def row(
    stage: str,
    arm: tuple[str, Beside],
    arms: Sequence[tuple[str, Beside]],
    found: Curves,
    speed: Mapping[tuple[str, Beside], float],
    setting: Setting,
    mark: float,
) -> Row:
    """How soon the seeds of an arm had an accuracy; a speed-up is the base's pictures over its own, the mean.

    A seed that gave up counts with all the pictures of its schedule: its true number is larger. Where both
    gave up there is nothing to say.
    """
    name, beside = arm
    reached = [images_to(mark, one["images"], one["accuracy"]) for one in found[arm]]
    images = [float(setting.images) if one is None else one for one in reached]
    given_up = sum(one is None for one in reached)
    last: Row = {
        "stage": stage, "caption's vector": BESIDE[beside], "accuracy": mark, "language model": name,
        "pictures to it": statistics.mean(images), "least": min(images), "most": max(images),
        "gave up": f"{given_up} of {len(images)}",
        "seconds to it": statistics.mean(images) / speed[arm], "pictures/s": speed[arm],
        "accuracy at the end": statistics.mean(one["accuracy"][-1] for one in found[arm]),
    }  # fmt: skip
    base = (BASE, beside)
    if base in arms:
        slow = [
            images_to(mark, one["images"], one["accuracy"]) or float(setting.images) for one in found[base]
        ]
        pairs = [pair for pair in zip(slow, images, strict=True) if min(pair) < setting.images]
        if ratios := [theirs / own for theirs, own in pairs]:
            last |= {
                FEWER: statistics.mean(ratios), "times, least": min(ratios), "times, most": max(ratios),
                FASTER: statistics.mean(ratios) * speed[arm] / speed[base],
            }  # fmt: skip
    return last


def said(stage: str, rows: Sequence[Row]) -> str:
    """What the pretrained language model is worth, for each accuracy and source of the caption's vector."""
    sentences = []
    asked = dict.fromkeys((one["caption's vector"], one["accuracy"]) for one in rows if one["stage"] == stage)
    for vector, mark in asked:
        some = [
            one for one in rows
            if (one["stage"], one["caption's vector"], one["accuracy"]) == (stage, vector, mark)
        ]  # fmt: skip
        ahead = [one for one in some if ARMS[one["language model"]].weights == "captioner"]
        ahead = [one for one in ahead if FEWER in one]
        if not ahead:
            continue
        best = max(ahead, key=lambda one: float(one[FEWER]))
        least = any(one["language model"] == BASE and not one["gave up"].startswith("0 ") for one in some)
        sentences.append(
            f"{stage}, accuracy {mark:g}, vector {vector}: the best use of the language model "
            f"({best['language model']}) needs {'at least ' * least}{best[FEWER]:.2f} times fewer pictures "
            f"({best['times, least']:.2f} to {best['times, most']:.2f}) than {BASE} weights that learn along "
            f"and is {best[FASTER]:.2f} times as fast."
        )
    return " ".join(sentences)


def plot(stage: str, found: Curves, setting: Setting) -> NDArray[np.uint8]:
    """Accuracy over pictures seen: a thin line for each seed, a panel for each source of the vector."""
    readings = [beside for beside in BESIDE if any(beside == one for _, one in found)]
    figure = blank_figure(6 * len(readings), 4)
    for place, beside in enumerate(readings):
        axes = figure.add_subplot(1, len(readings), place + 1)
        for (name, reading), curves in found.items():
            if reading != beside:
                continue
            for number, one in enumerate(curves):
                axes.plot(
                    [0, *one["images"]], [0, *one["accuracy"]], color=COLORS[name], linewidth=1.2,
                    label=None if number else name,
                )  # fmt: skip
        axes.axhline(setting.target, color="gray", linewidth=0.8, linestyle="--")
        axes.set(
            title=f"{stage}: vector {BESIDE[beside]}", xlabel="pictures seen", ylabel="attribute accuracy"
        )
        axes.set(ylim=(0, 1))
        axes.legend(fontsize=8)
    return rendered(figure)


if __name__ == "__main__":
    main()

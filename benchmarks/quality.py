"""Quality at equal training budget: lexipix's forms beside a diffusion U-Net trained for as long.

    python benchmarks/quality.py [--env ENV] [--minutes M] [--pictures 384] [--guidance 1 2]

Needs a finished `make run` of the environment and the extra `bench`, and takes as long as that run trained.

The U-Net of `diffusers` (benchmarks/unet.py) is trained for as many seconds as all of lexipix's trainings but
the judge's took together (or as `--minutes` says), on the same pictures and captions, with every core, and is
given lexipix's own reading of the captions for nothing. All draw from the captions that the evaluation draws
from, and the evaluator, which no training saw, judges them by the same code. A rate goes from captions, none
read before, to uint8 pixels: the median over batches. The distances (KID, Frechet) and the likenesses (PSNR,
SSIM) are to the real pictures of the captions; recall is the share of real pictures among the drawn ones.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from record import REPOSITORY, Row, save
from rich.console import Console
from tokenizers import Tokenizer

from lexipix.cli.project_context import ProjectContext
from lexipix.data.tokenization import encode
from lexipix.evaluation.collect import JUDGES, MODELS
from lexipix.evaluation.embedding import Judge
from lexipix.evaluation.measure import Evaluated, Pixels, TextPath, evaluated
from lexipix.evaluation.round_trips import noise_for
from lexipix.reporting.plots import frontier_figure
from lexipix.reporting.sheet import rows_sheet
from lexipix.training.builders.common import captions_for
from lexipix.training.bundles import load_network
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits

if TYPE_CHECKING:
    from unet import Trained

STEPS = (50, 10, 1)
N_SHOWN = 8
MIN_SECONDS = 3.0  # of timing: a batch alone is over too soon
# Measures: their name in the table, and the sign that makes more of them better
MEASURES = {
    "attribute_accuracy": ("attribute accuracy", 1),
    "r_precision": ("R-precision", 1),
    "kid": ("KID", -1),
    "frechet": ("Frechet", -1),
    "recall": ("recall", 1),
    "psnr": ("PSNR", 1),
    "ssim": ("SSIM", 1),
}

# Draws the pictures of some of the captions, uint8 (N, S, S, 3)
Draw = Callable[[slice], Pixels]


def main() -> None:
    """Prints the table and where it was written."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment whose models and pictures are used [default: base]")
    parser.add_argument("--minutes", type=float, help="the U-Net's training [default: what lexipix's took]")
    parser.add_argument("--pictures", type=int, default=384, help="how many are judged")
    parser.add_argument("--batch", type=int, default=64, help="pictures drawn at a time")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0], help="1: none")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    parser.add_argument("--channels", type=int, nargs="+", help="of the U-Net, from fine to coarse")
    arguments = parser.parse_args()
    if importlib.util.find_spec("diffusers") is None:
        raise SystemExit("The U-Net is not installed: .venv/bin/pip install -e '.[bench]'")
    console = Console(stderr=True)
    workshop = ProjectContext(REPOSITORY, arguments.env)
    evaluation, run = workshop.parameters.evaluation, workshop.parameters.run
    pictures = workshop.load("pictures")
    some = evaluation.model_copy(update={"n_images": arguments.pictures})
    real = evaluated(some, pictures, workshop.load("captioner_test_captions"))
    trained = [name for name in MODELS if name not in JUDGES]
    spent = {name: workshop.load(f"{name}_figures").get("seconds", 0.0) for name in trained}
    seconds = sum(spent.values()) if arguments.minutes is None else 60 * arguments.minutes

    judge = TextPath(real, Judge(workshop.load("evaluator"), run, evaluation.batch_size), some, run.seed)
    rows: list[Row] = []
    drawn: dict[str, Pixels] = {}

    def enter(name: str, steps: int, trained: float, draw: Draw) -> None:
        with console.status(f"drawing: {name}"):
            drawn[name], rate = measured(draw, len(real.asked), arguments.batch)
        figures, extras = judge(drawn[name])
        found = figures | extras
        row: Row = {"model": name, "steps": steps, "seconds trained": trained, "images/s": rate}
        rows.append(row | {said: found[key] for key, (said, _) in MEASURES.items() if key in found})

    for name, draw in forms(workshop, real.asked).items():
        enter(name, 1, sum(spent.values()), draw)
    ours = list(drawn)
    sizes = {"channels": tuple(arguments.channels)} if arguments.channels else {}
    unet, training = trained_unet(workshop, pictures, real.asked[: arguments.batch], seconds, **sizes)
    for guidance in arguments.guidance:
        for steps in STEPS:
            name = f"U-Net, {steps} step{'s' * (steps > 1)}"
            name += f", guidance {guidance:g}" if guidance != 1 else ""
            enter(name, steps, training["seconds"], unet.drawing(real.asked, steps, guidance, run.seed))

    facts = {
        "threads": torch.get_num_threads(), "batch": arguments.batch, "pictures judged": len(real.asked),
        "lexipix's trainings, s": " + ".join(f"{name} {took:.0f}" for name, took in spent.items() if took),
        **{f"U-Net's {key}": value for key, value in training.items()},
    }  # fmt: skip
    notes = "\n\n".join([verdict(rows, ours), (__doc__ or "").split("\n\n")[-1]])
    shown = {"quality": sheet(real, drawn, ours), "quality_frontier": frontier(rows, ours)}
    page = save("quality", rows, facts, arguments.out, notes, pictures=shown)
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def forms(workshop: ProjectContext, captions: Sequence[str]) -> dict[str, Draw]:
    """The forms that are shipped, by name: champion, whole and fast, where they differ."""
    found: dict[str, Draw] = {}
    known: set[str] = set()
    for budget in ("balanced", "best", "fast"):
        form, drawer = workshop.drawer("champion", budget)
        if form in known:
            continue
        known.add(form)
        noise = noise_for(len(captions), drawer.noise_width, workshop.parameters.run).numpy()

        def draw(rows: slice, drawer: Any = drawer, noise: Any = noise) -> Pixels:
            drawer.forget()
            pixels: Pixels = drawer.draw(captions[rows], noise[rows])
            return pixels

        found[f"lexipix {form} ({'champion' if budget == 'balanced' else budget})"] = draw
    return found


def trained_unet(
    workshop: ProjectContext, pictures: ImageSplits, asked: Sequence[str], seconds: float, **sizes: Any
) -> tuple[Trained, dict[str, Any]]:
    """Train the U-Net on what lexipix's generators are trained on.

    Args:
        workshop: Its models read the captions.
        pictures: The data set.
        asked: Captions to try the precision of drawing with.
        seconds: Of training.
        **sizes: Of the U-Net, where they are not the usual ones.

    Returns:
        The U-Net, and what its training came to.
    """
    from unet import CaptionedUNet, Design, Trained, UNetTask, train

    run = workshop.parameters.run
    contrastive_pair, prior = workshop.load("contrastive_pair"), workshop.load("prior")
    pair, reader = load_network(contrastive_pair), load_network(prior)
    captions = captions_for(pictures, workshop.load("captions_complete"), contrastive_pair, pair, run)
    tokenizer, max_tokens = Tokenizer.from_str(prior.tokenizer), prior.config["max_tokens"]

    def ids(texts: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(encode(tokenizer, texts, max_tokens))

    reading = reader.read(ids(asked[:1]))
    design = Design(**sizes)
    image_size = pictures.train.images.shape[1]
    with seeded(run.seed):
        unet = CaptionedUNet(design, image_size, reading.states.shape[-1], reading.vector.shape[-1])
    flip = workshop.parameters.generator.flip
    task = UNetTask(unet, reader.read, captions.images, captions.rows, design.learning_rate, flip)
    figures = train(task, seconds, design.batch, run)
    trained = Trained(unet, reader.read, ids, image_size).in_best_precision(asked)
    figures |= {"channels": " ".join(map(str, design.channels)), "batch": design.batch}
    return trained, figures | {"drawing in": str(trained.dtype).removeprefix("torch.")}


def measured(draw: Draw, n_images: int, batch: int) -> tuple[Pixels, float]:
    """Draw all pictures, and as many again as it takes to time them.

    Returns:
        uint8 (N, S, S, 3), and pictures a second: the median over whole batches.
    """
    starts = range(0, n_images, batch)
    draw(slice(0, batch))  # the first call pays for one-time set-up
    pixels, seconds = [], []
    while len(pixels) < len(starts) or sum(seconds) < MIN_SECONDS:
        first = starts[len(pixels) % len(starts)]
        start = time.perf_counter()
        pixels.append(draw(slice(first, first + batch)))
        if len(pixels[-1]) == min(batch, n_images):
            seconds.append(time.perf_counter() - start)
    return np.concatenate(pixels[: len(starts)]), min(batch, n_images) / float(np.median(seconds))


def verdict(rows: Sequence[Row], ours: Sequence[str]) -> str:
    """Say of each measure whether a point of the U-Net is both better and faster than one of lexipix."""
    known = {measure: sign for measure, sign in MEASURES.values() if all(measure in row for row in rows)}
    beaten = {
        measure: [
            f"{theirs['model']} beats {own['model']}"
            for theirs in (row for row in rows if row["model"] not in ours)
            for own in (row for row in rows if row["model"] in ours)
            if sign * (theirs[measure] - own[measure]) > 0 and theirs["images/s"] > own["images/s"]
        ]
        for measure, sign in known.items()
    }
    if not any(beaten.values()):
        named = _listed(list(known))
        return f"No point of the U-Net is both better and faster than any of lexipix's, by {named}."
    lost = "; ".join(f"by {measure}, {', '.join(pairs)}" for measure, pairs in beaten.items() if pairs)
    rest = [measure for measure, pairs in beaten.items() if not pairs]
    held = f" By {_listed(rest)} none is." if rest else ""
    return f"Points of the U-Net that are both better and faster: {lost}.{held}"


def frontier(rows: Sequence[Row], ours: Sequence[str]) -> Pixels:
    """What each point gets wrong over its speed: attributes where there are any, else captions."""
    measure = "attribute accuracy" if "attribute accuracy" in rows[0] else "R-precision"
    table = {
        row["model"]: {"images_per_s": row["images/s"], "quality_loss": 1 - row[measure]}
        for row in rows
        if measure in row
    }
    return frontier_figure(table, ours[0], f"Quality at equal training budget: lost is what {measure} lacks")


def sheet(real: Evaluated, drawn: Mapping[str, Pixels], ours: Sequence[str]) -> Pixels:
    """The same captions by the champion and by each point of the U-Net, beside the real pictures."""
    chosen = np.linspace(0, len(real.asked) - 1, N_SHOWN).astype(int)
    columns = {"real": real.images[chosen]}
    columns |= {name: images[chosen] for name, images in drawn.items() if name not in ours[1:]}
    return rows_sheet(columns, [real.asked[row] for row in chosen], scale=5)  # headings need the width


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}" if len(words) > 1 else words[0]


if __name__ == "__main__":
    main()

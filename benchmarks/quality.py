"""Quality at equal training time: lexipix's variants beside a diffusion U-Net.

    python benchmarks/quality.py [--env ENV] [--minutes M] [--images 384] [--guidance 1 2]

Needs a finished `make run` of the environment and the extra `bench`, and takes as long as that run trained.

The U-Net of `diffusers` (benchmarks/unet.py) trains for as long as all of lexipix's trainings except the
evaluator's together, or for `--minutes`. It uses the same images, captions and cores, and lexipix's trained
text encoding at no cost. All models draw from the captions of the evaluation. The evaluator, trained apart,
measures them with the same code. A rate is the median over batches, from captions that are not in the cache
to uint8 pixels. KID, Frechet distance, PSNR and SSIM compare with the real images of the captions. Recall is
the share of real images that lie among the drawn ones.
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
from lexipix.evaluation.embedding import Embedder
from lexipix.evaluation.evaluated_images import EvaluatedImages, Pixels, select_evaluated_images
from lexipix.evaluation.metrics_json import EVALUATORS, MODELS
from lexipix.evaluation.path_metrics import TextPathMetrics
from lexipix.evaluation.text_paths import noise_for
from lexipix.models.evaluator import Evaluator
from lexipix.models.text_to_image import TextToImage
from lexipix.reporting.contact_sheet import comparison_sheet
from lexipix.reporting.plots import frontier_figure
from lexipix.training.builders.captions import generator_data
from lexipix.training.bundles import load_network
from lexipix.utils.seeding import seeded
from lexipix.utils.types import ImageSplits

if TYPE_CHECKING:
    from unet import Trained

STEPS = (50, 10, 1)
N_SHOWN = 8
MIN_SECONDS = 3.0  # of timing: one batch is too short
# Metrics: name in the table, and the sign by which higher is better
MEASURES = {
    "attribute_accuracy": ("attribute accuracy", 1),
    "r_precision": ("R-precision", 1),
    "kid": ("KID", -1),
    "frechet": ("Frechet", -1),
    "recall": ("recall", 1),
    "psnr": ("PSNR", 1),
    "ssim": ("SSIM", 1),
}

# Draws the images of some of the captions, uint8 (N, S, S, 3)
Draw = Callable[[slice], Pixels]


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of models and images [default: base]")
    parser.add_argument("--minutes", type=float, help="training time of the U-Net [default: that of lexipix]")
    parser.add_argument("--images", type=int, default=384, help="number of images that are evaluated")
    parser.add_argument("--batch", type=int, default=64, help="images per batch")
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0], help="1: none")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    parser.add_argument("--channels", type=int, nargs="+", help="channels of the U-Net, from fine to coarse")
    arguments = parser.parse_args()
    if importlib.util.find_spec("diffusers") is None:
        raise SystemExit("The U-Net is not installed: .venv/bin/pip install -e '.[bench]'")
    console = Console(stderr=True)
    context = ProjectContext(REPOSITORY, arguments.env)
    evaluation, run = context.parameters.evaluation, context.parameters.run
    image_splits = context.load("image_splits")
    some = evaluation.model_copy(update={"n_images": arguments.images})
    real = select_evaluated_images(some, image_splits, context.load("captioner_test_captions"))
    trained = [name for name in MODELS if name not in EVALUATORS]
    spent = {name: context.load(f"{name}_metrics").get("seconds", 0.0) for name in trained}
    seconds = sum(spent.values()) if arguments.minutes is None else 60 * arguments.minutes

    judge = TextPathMetrics(
        real, Embedder(Evaluator, context.load("evaluator"), run, evaluation.batch_size), some, run.seed
    )
    rows: list[Row] = []
    drawn: dict[str, Pixels] = {}

    def enter(name: str, steps: int, trained: float, draw: Draw) -> None:
        with console.status(f"drawing: {name}"):
            drawn[name], rate = measured(draw, len(real.prompts), arguments.batch)
        figures, extras = judge(drawn[name])
        found = figures | extras
        row: Row = {"model": name, "steps": steps, "seconds trained": trained, "images/s": rate}
        rows.append(row | {said: found[key] for key, (said, _) in MEASURES.items() if key in found})

    for name, draw in variants(context, real.prompts).items():
        enter(name, 1, sum(spent.values()), draw)
    ours = list(drawn)
    sizes = {"channels": tuple(arguments.channels)} if arguments.channels else {}
    unet, training = trained_unet(context, image_splits, real.prompts[: arguments.batch], seconds, **sizes)
    for guidance in arguments.guidance:
        for steps in STEPS:
            name = f"U-Net, {steps} step{'s' * (steps > 1)}"
            name += f", guidance {guidance:g}" if guidance != 1 else ""
            enter(name, steps, training["seconds"], unet.drawing(real.prompts, steps, guidance, run.seed))

    facts = {
        "threads": torch.get_num_threads(), "batch": arguments.batch, "images evaluated": len(real.prompts),
        "lexipix's trainings, s": " + ".join(f"{name} {took:.0f}" for name, took in spent.items() if took),
        **{f"U-Net's {key}": value for key, value in training.items()},
    }  # fmt: skip
    notes = "\n\n".join([verdict(rows, ours), (__doc__ or "").split("\n\n")[-1]])
    shown = {"quality": sheet(real, drawn, ours), "quality_frontier": frontier(rows, ours)}
    page = save("quality", rows, facts, arguments.out, notes, images=shown)
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def variants(context: ProjectContext, captions: Sequence[str]) -> dict[str, Draw]:
    """Return the shipped variants by name: champion, best and fast, where they differ."""
    pipe = context.text_to_image("champion")
    found: dict[str, Draw] = {}
    known: set[str] = set()
    for quality in ("balanced", "best", "fast"):
        variant, generator = pipe.generator(quality)
        if variant in known:
            continue
        known.add(variant)
        noise = noise_for(len(captions), generator.noise_dim, context.parameters.run).numpy()

        def draw(rows: slice, generator: Any = generator, noise: Any = noise) -> Pixels:
            generator.clear_cache()
            pixels: Pixels = generator.generate(captions[rows], noise[rows])
            return pixels

        found[f"lexipix {variant} ({'champion' if quality == 'balanced' else quality})"] = draw
    return found


def trained_unet(
    context: ProjectContext, image_splits: ImageSplits, asked: Sequence[str], seconds: float, **sizes: Any
) -> tuple[Trained, dict[str, Any]]:
    """Train the U-Net on the training data of lexipix's generators.

    Args:
        context: Its models encode the captions.
        image_splits: The data set.
        asked: Captions to try the precision of drawing with.
        seconds: Training time.
        **sizes: Sizes of the U-Net that differ from the defaults of ``Design``.

    Returns:
        The U-Net, and metrics of its training.
    """
    from unet import CaptionedUNet, Design, Trained, UNetTask, train

    run = context.parameters.run
    contrastive_pair, prior = context.load("contrastive_pair"), context.load("prior")
    reader = load_network(prior, TextToImage)
    captions = generator_data(image_splits, context.load("captions_complete"), contrastive_pair, run)
    tokenizer, max_tokens = Tokenizer.from_str(prior.tokenizer), prior.config["max_tokens"]

    def ids(texts: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(encode(tokenizer, texts, max_tokens))

    reading = reader.encode_text(ids(asked[:1]))
    design = Design(**sizes)
    image_size = image_splits.train.images.shape[1]
    with seeded(run.seed):
        unet = CaptionedUNet(design, image_size, reading.hidden_states.shape[-1], reading.embedding.shape[-1])
    flip = context.parameters.generator.flip
    task = UNetTask(unet, reader.encode_text, captions.images, captions.captions, design.learning_rate, flip)
    figures = train(task, seconds, design.batch, run)
    trained = Trained(unet, reader.encode_text, ids, image_size).in_best_precision(asked)
    figures |= {"channels": " ".join(map(str, design.channels)), "batch": design.batch}
    return trained, figures | {"drawing in": str(trained.dtype).removeprefix("torch.")}


def measured(draw: Draw, n_images: int, batch: int) -> tuple[Pixels, float]:
    """Draw all images, and more of them until there is enough to time.

    Returns:
        Images, uint8 (N, S, S, 3), and images/s: the median over full batches.
    """
    starts = range(0, n_images, batch)
    draw(slice(0, batch))  # the first call includes one-time set-up
    pixels, seconds = [], []
    while len(pixels) < len(starts) or sum(seconds) < MIN_SECONDS:
        first = starts[len(pixels) % len(starts)]
        start = time.perf_counter()
        pixels.append(draw(slice(first, first + batch)))
        if len(pixels[-1]) == min(batch, n_images):
            seconds.append(time.perf_counter() - start)
    return np.concatenate(pixels[: len(starts)]), min(batch, n_images) / float(np.median(seconds))


def verdict(rows: Sequence[Row], ours: Sequence[str]) -> str:
    """Return for each metric whether a point of the U-Net is both better and faster than one of lexipix."""
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
    """Plot the error of each point over its speed: of attributes where known, else of R-precision."""
    measure = "attribute accuracy" if "attribute accuracy" in rows[0] else "R-precision"
    table = {
        row["model"]: {"images_per_s": row["images/s"], "quality_loss": 1 - row[measure]}
        for row in rows
        if measure in row
    }
    return frontier_figure(table, ours[0], f"Quality at equal training time: loss is 1 - {measure}")


def sheet(real: EvaluatedImages, drawn: Mapping[str, Pixels], ours: Sequence[str]) -> Pixels:
    """Draw the same captions by the champion and each point of the U-Net beside the real images."""
    chosen = np.linspace(0, len(real.prompts) - 1, N_SHOWN).astype(int)
    columns: dict[str, Any] = {"real": real.images[chosen]}
    columns |= {name: images[chosen] for name, images in drawn.items() if name not in ours[1:]}
    columns[""] = [real.prompts[row] for row in chosen]
    return comparison_sheet(columns, scale=5)  # headings need the width


def _listed(words: Sequence[str]) -> str:
    return ", ".join(words[:-1]) + f" or {words[-1]}" if len(words) > 1 else words[0]


if __name__ == "__main__":
    main()

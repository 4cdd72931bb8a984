"""What a generator of an environment's images has to beat: real and retrieved images, by the evaluator.

    python benchmarks/folder.py [--env folder] [--prompts 500] [--minutes 6]

Without minutes it needs the ingestion of the environment alone, and trains its evaluator, in some minutes: it
shows what the evaluator can distinguish at all before a generator is trained. Captions are those of test
images (unseen where the split is by concept), of training images (seen), and of held-out pairs of a concept
and a style. Retrieved is the training image whose caption is nearest in words.

With minutes it needs a whole run of the environment, and adds its champion and the Five-Dollar Model
(five_dollar_model.py), trained for as many minutes on the same images, by the run's evaluator.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from five_dollar_model import FiveDollarGenerator
from record import REPOSITORY, Row, options, save
from stage_training import NoCheckpoints
from torch import Tensor

from lexipix.cli.project_context import ProjectContext
from lexipix.data.captioned import captioned
from lexipix.data.tokenization import pad_id
from lexipix.evaluation.embedding import Embedder
from lexipix.evaluation.evaluator import train_contrastive_evaluator
from lexipix.evaluation.prompt_metrics import prompt_metrics
from lexipix.evaluation.text_paths import DrawCaptions, Pixels, noise_for
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline
from lexipix.metrics.speed import measure
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.evaluator import Evaluator
from lexipix.training.bundles import load_network, token_ids, tokenizer_of
from lexipix.utils.types import ImageSplits, NullMetricStream


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", default="folder", help="environment of the images [default: folder]")
    parser.add_argument("--prompts", type=int, default=500, help="captions of each kind, evenly spaced")
    parser.add_argument(
        "--minutes", type=float, default=0.0, help="of the Five-Dollar Model's training [default: 0, without]"
    )
    arguments = options(parser, dict)
    context = ProjectContext(REPOSITORY, arguments.env)
    evaluation, run = context.parameters.evaluation, context.parameters.run
    image_splits = context.load("image_splits")
    facts: dict[str, object] = {
        "env": arguments.env, "seed": run.seed, "training images": len(image_splits.train),
    }  # fmt: skip
    paths: dict[str, DrawCaptions] = {}
    if arguments.minutes:
        bundle = context.load("evaluator")
        paths, more = trained_models(context, image_splits, arguments.minutes)
        facts |= more
    else:
        bundle, _, training, _ = train_contrastive_evaluator(
            image_splits, evaluation.evaluator, run, NullMetricStream(), NoCheckpoints()
        )
        facts |= {
            "evaluator, s": round(training["seconds"]),
            "evaluator, images/s": round(training["images_per_s"]),
            "precision": training["precision"],
        }
    embedder = Embedder(Evaluator, bundle, run, evaluation.batch_size)
    some = evaluation.model_copy(update={"n_prompts": arguments.prompts})
    metrics = prompt_metrics(image_splits, paths, embedder, some, run.seed)
    rows: list[Row] = [
        {"captions": name, "n": group["n"], "images": images, **group[images]}
        for name, group in metrics.items()
        for images in ("real", "retrieved", *paths)
    ]
    page = save("folder", rows, facts, arguments.out, (__doc__ or "").split("\n\n")[-1])
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def trained_models(
    context: ProjectContext, image_splits: ImageSplits, minutes: float
) -> tuple[dict[str, DrawCaptions], dict[str, object]]:
    """The champion and a new Five-Dollar Model, with images per second and sizes in MB."""
    run, pair = context.parameters.run, context.load("contrastive_pair")
    encoder = load_network(pair, ContrastivePair).text_encoder
    pad = pad_id(tokenizer_of(pair))

    def vectors(captions: Sequence[str]) -> Tensor:
        ids = token_ids(pair, captions)
        with torch.inference_mode():
            return torch.cat([encoder(some, some != pad) for some in ids.split(256)])

    data = captioned(image_splits.train)
    images, texts = data.images[np.arange(len(data))], vectors(list(data.captions)).clone()
    five_dollar = FiveDollarGenerator(images, texts, 60 * minutes, run.seed)
    name, generator = TextToImagePipeline.from_champion(context.load("champion")).generator()

    def champion(captions: Sequence[str]) -> Pixels:
        generator.clear_cache()
        return generator.generate(captions, noise_for(len(captions), generator.noise_dim, run).numpy())

    paths: dict[str, DrawCaptions] = {
        "champion": champion,
        "five_dollar": lambda captions: five_dollar.draw(vectors(captions)),
    }
    some, facts = list(data.captions[:64]), dict[str, object]()
    for model, draw in paths.items():
        measured = measure(partial(draw, some), warmup=1, repeats=10, n_images=len(some), max_seconds=5.0)
        facts[f"{model}, images/s"] = round(measured.images_per_s)
    facts |= {
        "champion": name,
        "champion, MB": round(sum(map(len, generator.model.graphs.values())) / 1e6, 1),
        "memory, MB": round(sum(array.nbytes for array in generator.model.arrays.values()) / 1e6, 1),
        "five_dollar, MB": round(five_dollar.size_mb, 1),
        "five_dollar, images seen": five_dollar.images_seen,
    }
    return paths, facts


if __name__ == "__main__":
    main()

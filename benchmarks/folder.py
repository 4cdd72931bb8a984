"""What a generator of an environment's images has to beat: real and retrieved images, by the evaluator.

    python benchmarks/folder.py [--env folder] [--prompts 500]

Needs the ingestion of the environment alone, and trains its evaluator, in some minutes: it shows what the
evaluator can distinguish at all before a generator is trained. Captions are those of test images (unseen
where the split is by concept), of training images (seen), and of held-out pairs of a concept and a style.
Retrieved is the training image whose caption is nearest in words.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse

from record import REPOSITORY, Row, options, save
from stage_training import NoCheckpoints

from lexipix.cli.project_context import ProjectContext
from lexipix.evaluation.embedding import Embedder
from lexipix.evaluation.evaluator import train_contrastive_evaluator
from lexipix.evaluation.prompt_metrics import prompt_metrics
from lexipix.models.evaluator import Evaluator
from lexipix.utils.types import NullMetricStream


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", default="folder", help="environment of the images [default: folder]")
    parser.add_argument("--prompts", type=int, default=500, help="captions of each kind, evenly spaced")
    arguments = options(parser, dict)
    context = ProjectContext(REPOSITORY, arguments.env)
    evaluation, run = context.parameters.evaluation, context.parameters.run
    image_splits = context.load("image_splits")
    bundle, _, training, _ = train_contrastive_evaluator(
        image_splits, evaluation.evaluator, run, NullMetricStream(), NoCheckpoints()
    )
    embedder = Embedder(Evaluator, bundle, run, evaluation.batch_size)
    some = evaluation.model_copy(update={"n_prompts": arguments.prompts})
    metrics = prompt_metrics(image_splits, {}, embedder, some, run.seed)
    rows: list[Row] = [
        {"captions": name, "n": group["n"], "images": images, **group[images]}
        for name, group in metrics.items()
        for images in ("real", "retrieved")
    ]
    facts = {
        "env": arguments.env, "seed": run.seed, "training images": len(image_splits.train),
        "evaluator, s": round(training["seconds"]), "evaluator, images/s": round(training["images_per_s"]),
        "precision": training["precision"],
    }  # fmt: skip
    page = save("folder", rows, facts, arguments.out, (__doc__ or "").split("\n\n")[-1])
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


if __name__ == "__main__":
    main()

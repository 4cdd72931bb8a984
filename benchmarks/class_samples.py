"""Images of every class in one sheet without gaps or scaling, so that any classifier can judge them.

    python benchmarks/class_samples.py [--env cifar10] [--per-class 100]

Needs a whole run of an environment whose images have classes. Each row of the sheet is a class, in the order
of their names. Captions are those of test images of the class, evenly spaced. What is drawn of them is shown,
whatever it looks like.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np
from record import REPOSITORY, save_sheet

from lexipix.cli.project_context import ProjectContext
from lexipix.data.images import evenly_spaced
from lexipix.utils.errors import LexipixError


def main() -> None:
    """Print the path of the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", default="cifar10", help="environment of the run [default: cifar10]")
    parser.add_argument("--model", default="champion", help="champion, vae or gan [default: champion]")
    parser.add_argument("--per-class", type=int, default=100, help="images of each class [default: 100]")
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first image; each next one has the next [default: 0]"
    )
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the sheet [default: here]")
    arguments = parser.parse_args()
    context = ProjectContext(REPOSITORY, arguments.env)
    split = context.load("image_splits").test
    labels = split.captions["label"]
    if labels.isna().any():
        raise LexipixError(
            f"Test images of {arguments.env} have no classes: choose an environment whose images have labels."
        )
    pipe = context.text_to_image(arguments.model)
    rows, seeds = [], itertools.count(arguments.seed)  # a seed for each image: one seed is one noise
    for label in sorted(labels.unique()):
        captions = split.captions.loc[labels == label, "caption"].to_numpy(object)
        chosen = captions[evenly_spaced(len(captions), arguments.per_class)]
        texts = np.resize(chosen, arguments.per_class)  # from the start if they are few
        drawn = [pipe(str(text), seed=next(seeds), score=False).pixels[0] for text in texts]
        rows.append(np.concatenate(drawn, axis=1))
    path = save_sheet(np.concatenate(rows), arguments.out, f"{arguments.env}_samples")
    print(f"Written to {path}: {len(rows)} classes, {arguments.per_class} images each.")


if __name__ == "__main__":
    main()

"""A fixed list of prompts, drawn into one sheet: real, retrieved and drawn images side by side.

    python benchmarks/prompt_sheet.py benchmarks/prompts/sprites.json [--env folder]

Needs a whole run of the environment on the list's folder. A list has 24 captions of training images (seen)
and 24 of test images (unseen). Real is the image of that caption, retrieved the training image whose caption
is nearest in words.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from record import REPOSITORY, save_sheet

from lexipix.cli.project_context import ProjectContext
from lexipix.data.captioned import captioned
from lexipix.evaluation.retrieval_baseline import RetrievalBaseline
from lexipix.reporting.contact_sheet import contact_sheet
from lexipix.utils.alpha import on_checkerboard
from lexipix.utils.errors import LexipixError

COLUMNS = 24


def main() -> None:
    """Print the path of the sheet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("prompts", type=Path, help="JSON file with the lists seen and unseen")
    parser.add_argument("--env", default="folder", help="environment of the run [default: folder]")
    parser.add_argument("--model", default="champion", help="champion, vae or gan [default: champion]")
    parser.add_argument("--seed", type=int, default=0, help="of the drawn images [default: 0]")
    parser.add_argument("--out", type=Path, default=Path(), help="folder of the sheet [default: here]")
    arguments = parser.parse_args()
    context = ProjectContext(REPOSITORY, arguments.env)
    splits, pipe = context.load("image_splits"), context.text_to_image(arguments.model)
    parts = []
    for name, split in (("seen", splits.train), ("unseen", splits.test)):
        texts = json.loads(arguments.prompts.read_text(encoding="utf-8"))[name]
        data = captioned(split)
        rows = {text: row for row, text in reversed(list(enumerate(data.captions)))}
        if missing := [text for text in texts if text not in rows]:
            raise LexipixError(
                f"{arguments.prompts} names {missing[0]!r} under {name}, which no image of that split has: "
                "run the environment on the folder that the list belongs to."
            )
        real = data.images[np.array([rows[text] for text in texts])]
        retrieved = RetrievalBaseline(splits.train)(texts)
        drawn = pipe(texts, seed=arguments.seed, score=False).pixels
        for images, label in ((real, "real"), (retrieved, "retrieved"), (drawn, arguments.model)):
            captions = texts if label == "real" else [None] * len(texts)
            title = f"{name}: {label}"
            parts.append(contact_sheet(on_checkerboard(images), captions, COLUMNS, 2, title, 4))
    width = max(part.shape[1] for part in parts)
    padded = [
        np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255) for part in parts
    ]
    path = save_sheet(np.concatenate(padded), arguments.out, f"prompts_{arguments.prompts.stem}")
    print(f"Written to {path}.")


if __name__ == "__main__":
    main()

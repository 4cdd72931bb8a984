"""The exported captioner beside `generate` of transformers, with the same model."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from record import REPOSITORY, Row
from tokenizers import Tokenizer
from turns import comparison, take_turns

from lexipix.cli.project_context import ProjectContext
from lexipix.data.tokenization import decode
from lexipix.inference.onnx_captioner import OnnxCaptioner
from lexipix.models.captioner import Captioner
from lexipix.training.bundles import load_network

BAR = 3.0
EXPORTED_BATCH = 64
ONE_BY_ONE = 16  # images for the measurement of one at a time


def captioning(env: str | None, n_images: int, repeats: int) -> list[Row]:
    """Measure the exported captioner, in batches and one image at a time.

    Args:
        env: Environment of the captioner and the test images.
        n_images: Images per round; best a multiple of the batch size.
        repeats: Rounds.

    Raises:
        SystemExit: The two sides wrote different captions.
    """
    context = ProjectContext(REPOSITORY, env)
    bundle = context.load("captioner")
    captioner = load_network(bundle, Captioner)
    tokenizer, longest = Tokenizer.from_str(bundle.tokenizer), int(bundle.config["max_tokens"])
    images = np.array(context.load("image_splits").test.images[:n_images])
    rows = []
    for some, batch in ((images, EXPORTED_BATCH), (images[:ONE_BY_ONE], 1)):
        batches = np.array_split(some, max(1, len(some) // batch))
        rows.append(_exported(context, captioner, tokenizer, batches, longest, repeats))
    return rows


def pixels(images: np.ndarray) -> torch.Tensor:
    """Convert uint8 (B, S, S, 3) to float (B, 3, S, S) in [-1, 1], as a user would."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.inference_mode()
def plainly(captioner: Captioner, tokenizer: Tokenizer, images: np.ndarray, longest: int) -> list[str]:
    """Write captions as a user of transformers would."""
    return decode(tokenizer, captioner.generate(pixels(images), longest).numpy())


def _exported(
    context: ProjectContext,
    captioner: Captioner,
    tokenizer: Tokenizer,
    batches: Sequence[np.ndarray],
    longest: int,
    repeats: int,
) -> Row:
    """Measure what `kedro caption` does: the exported model, without torch."""
    exported = OnnxCaptioner(context.load("onnx_captioner"))
    written: dict[str, list[str]] = {}

    def ours() -> None:
        written["ours"] = [text for some in batches for text in exported.caption(some)]

    def theirs() -> None:
        written["theirs"] = [
            text for some in batches for text in plainly(captioner, tokenizer, some, longest)
        ]

    seconds = take_turns({"ours": ours, "theirs": theirs}, repeats)
    _same(written["ours"], written["theirs"])
    n_images, batch = sum(map(len, batches)), len(batches[0])
    rates = {name: [n_images / taken for taken in values] for name, values in seconds.items()}
    how = f"batch {batch}" if batch > 1 else "one image at a time"
    name = f"captioning, exported, as kedro caption, {how}"
    return comparison(name, "images/s", rates["ours"], "encoder and generate", rates["theirs"], BAR)


def _same(ours: list[str], theirs: list[str]) -> None:
    different = sum(a != b for a, b in zip(ours, theirs, strict=True))
    if different:
        raise SystemExit(f"{different} of {len(ours)} captions differ from those of generate")

"""Captioning: lexipix's writing beside `generate` of transformers, with one and the same model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from record import REPOSITORY, Row
from shapes import seconds_allowed
from tokenizers import Tokenizer
from turns import comparison, take_turns

from lexipix.cli.project_context import ProjectContext
from lexipix.data.tokenization import decode
from lexipix.evaluation.captioning import write_captions
from lexipix.inference.onnx_models import OnnxCaptioner
from lexipix.models.captioner import Captioner
from lexipix.models.greedy import greedy_decode
from lexipix.training.bundles import load_network

BAR = 3.0
BATCHES = (64, 256)
EXPORTED_BATCH = 64
ONE_BY_ONE = 16  # pictures, for the command that takes one at a time


def captioning(env: str | None, n_images: int, repeats: int) -> list[Row]:
    """Rows for whole captioning, for the words alone, and for the exported model, also one picture at a time.

    Args:
        env: Environment whose captioner and test pictures are taken.
        n_images: Pictures in a round; best a multiple of every batch.
        repeats: Rounds.

    Raises:
        SystemExit: The two wrote different captions.
    """
    workshop = ProjectContext(REPOSITORY, env)
    bundle = workshop.load("captioner")
    captioner = load_network(bundle, Captioner)
    tokenizer, longest = Tokenizer.from_str(bundle.tokenizer), int(bundle.config["max_tokens"])
    images = np.array(workshop.load("pictures").test.images[:n_images])
    rows = []
    for batch in BATCHES:
        pieces = np.array_split(images, max(1, len(images) // batch))
        written: dict[str, list[str]] = {}

        def ours(pieces: Any = pieces, written: Any = written) -> None:
            written["ours"] = [
                text
                for piece in pieces
                for text in write_captions(captioner, tokenizer, piece, longest, device=torch.device("cpu"))
            ]

        def theirs(pieces: Any = pieces, written: Any = written) -> None:
            written["theirs"] = [
                text for piece in pieces for text in plainly(captioner, tokenizer, piece, longest)
            ]

        seconds = take_turns({"ours": ours, "theirs": theirs}, repeats)
        _same(written["ours"], written["theirs"])
        rates = {name: [len(images) / taken for taken in values] for name, values in seconds.items()}
        name = f"captioning, picture to caption, batch {batch}"
        rows.append(
            comparison(name, "pictures/s", rates["ours"], "encoder and generate", rates["theirs"], BAR)
        )
        rows.append(_words_alone(captioner, images[:batch], longest, repeats))
        allowed = [_allowed(captioner, images[:batch], longest) for _ in range(repeats)]
        name, instead = f"captioning, arithmetic of batch {batch}", "its convolutions and products alone"
        rows.append(comparison(name, "pictures/s", rates["ours"], instead, allowed))
    for some, batch in ((images, EXPORTED_BATCH), (images[:ONE_BY_ONE], 1)):
        pieces = np.array_split(some, max(1, len(some) // batch))
        rows.append(_exported(workshop, captioner, tokenizer, pieces, longest, repeats))
    return rows


def pixels(images: np.ndarray) -> torch.Tensor:
    """uint8 (B, S, S, 3) to (B, 3, S, S) in [-1, 1], as a user would."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


def generate(captioner: Captioner, cells: torch.Tensor, longest: int) -> torch.Tensor:
    """Ids that `generate` writes greedily, with its cache."""
    start = torch.full((len(cells), 1), captioner.start_id)
    ids: torch.Tensor = captioner.language_model.generate(
        input_ids=start,
        encoder_hidden_states=cells,
        attention_mask=torch.ones_like(start),
        max_new_tokens=longest,
        do_sample=False,
        use_cache=True,
        pad_token_id=captioner.pad_id,
        eos_token_id=captioner.eos_id,
        bos_token_id=captioner.start_id,
    )
    return ids[:, 1:]


@torch.inference_mode()
def plainly(captioner: Captioner, tokenizer: Tokenizer, images: np.ndarray, longest: int) -> list[str]:
    """Captions as a user of transformers would write them."""
    return decode(tokenizer, generate(captioner, captioner.encode_images(pixels(images)), longest).numpy())


@torch.inference_mode()
def _words_alone(captioner: Captioner, images: np.ndarray, longest: int, repeats: int) -> Row:
    """The language model's part: from what the encoder gave to ids."""
    cells = captioner.encode_images(pixels(images))
    ends = {"start_id": captioner.start_id, "pad_id": captioner.pad_id, "eos_id": captioner.eos_id}
    calls = {
        "ours": lambda: greedy_decode(captioner.language_model, cells, longest, **ends),
        "theirs": lambda: generate(captioner, cells, longest),
    }
    seconds = take_turns(calls, repeats)
    rates = {name: [len(images) / taken for taken in values] for name, values in seconds.items()}
    name = f"captioning, words alone, batch {len(images)}"
    return comparison(name, "pictures/s", rates["ours"], "generate", rates["theirs"], BAR)


def _allowed(captioner: Captioner, images: np.ndarray, longest: int) -> float:
    """Pictures a second if captioning were nothing but convolutions and products, each as fast as alone."""
    return len(images) / seconds_allowed(lambda: captioner.generate(pixels(images), longest))


def _exported(
    workshop: ProjectContext,
    captioner: Captioner,
    tokenizer: Tokenizer,
    pieces: Sequence[np.ndarray],
    longest: int,
    repeats: int,
) -> Row:
    """What `kedro caption` does with pictures: the exported model, without torch."""
    describer = OnnxCaptioner(workshop.load("onnx_captioner"))
    written: dict[str, list[str]] = {}

    def ours() -> None:
        written["ours"] = [text for piece in pieces for text in describer.caption(piece)]

    def theirs() -> None:
        written["theirs"] = [
            text for piece in pieces for text in plainly(captioner, tokenizer, piece, longest)
        ]

    seconds = take_turns({"ours": ours, "theirs": theirs}, repeats)
    _same(written["ours"], written["theirs"])
    n_images, batch = sum(map(len, pieces)), len(pieces[0])
    rates = {name: [n_images / taken for taken in values] for name, values in seconds.items()}
    how = f"batch {batch}" if batch > 1 else "one picture at a time"
    name = f"captioning, exported, as kedro caption, {how}"
    return comparison(name, "pictures/s", rates["ours"], "encoder and generate", rates["theirs"], BAR)


def _same(ours: list[str], theirs: list[str]) -> None:
    different = sum(a != b for a, b in zip(ours, theirs, strict=True))
    if different:
        raise SystemExit(f"{different} of {len(ours)} captions differ from those that generate wrote")

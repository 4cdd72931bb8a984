"""The captioner's attention for each word, as arrays and as a contact sheet."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import accumulate
from os.path import commonprefix
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.data.images import normalize
from lexipix.data.tokenization import encode, eos_id
from lexipix.models.captioner import Captioner
from lexipix.reporting.contact_sheet import contact_sheet, enlarge
from lexipix.reporting.text import first_drawable
from lexipix.training.bundles import load_network, tokenizer_of
from lexipix.training.precision import resolve_device
from lexipix.utils.alpha import on_checkerboard
from lexipix.utils.types import ModelBundle

# From U+2E80 on, most scripts have no spaces between words: each character counts as one
WORD = re.compile(r"(?!\s)[\u2e80-\U0010ffff]|[^\s\u2e80-\U0010ffff]+")
SHOWN_PIXELS = 96  # an image is enlarged to about this
COLUMNS = 12  # of a caption's sheet
ORANGE = (230, 74, 0)

Maps = list[NDArray[np.float32]]


def attention_maps(
    bundle: ModelBundle, images: NDArray[np.uint8], run: RunParameters, beams: int
) -> tuple[list[list[str]], Maps]:
    """Writes captions of images, uint8 (N, S, S, 3), with a beam search, and returns the attention.

    Returns:
        For each image the words of its caption, and maps (words, h, w), each of sum 1.
    """
    if not len(images):
        return [], []
    captioner, unit = _prepared(bundle, images, run)
    return _maps(captioner, bundle, unit, captioner.generate(unit, bundle.config["max_tokens"], beams))


def attention_of_captions(
    bundle: ModelBundle, images: NDArray[np.uint8], captions: Sequence[str], run: RunParameters
) -> tuple[list[list[str]], Maps]:
    """Returns the attention for given captions of images, uint8 (N, S, S, 3), N > 0; too long ones are cut.

    The words and maps are those of :func:`attention_maps`.
    """
    captioner, unit = _prepared(bundle, images, run)
    ids = encode(tokenizer_of(bundle), captions, bundle.config["max_tokens"])
    return _maps(captioner, bundle, unit, torch.from_numpy(ids).to(unit.device))


def _prepared(bundle: ModelBundle, images: NDArray[np.uint8], run: RunParameters) -> tuple[Captioner, Tensor]:
    """The network, and images in [-1, 1] where it computes."""
    captioner = load_network(bundle, Captioner).to(resolve_device(run))
    return captioner, normalize(torch.from_numpy(np.array(images)).to(captioner.positions.device))


@torch.inference_mode()
def _maps(
    captioner: Captioner, bundle: ModelBundle, images: Tensor, ids: Tensor
) -> tuple[list[list[str]], Maps]:
    tokenizer, attention = tokenizer_of(bundle), captioner.attention(images, ids).cpu().numpy()
    side = round(attention.shape[-1] ** 0.5)
    words, maps = [], []
    for tokens, cells in zip(ids.tolist(), attention, strict=True):
        spans = word_spans(tokenizer, tokens)
        words.append([word for word, _ in spans])
        means = [cells[start:end].mean(0) for (_, (start, end)) in spans]
        maps.append(np.array(means, np.float32).reshape(len(means), side, side))
    return words, maps


def word_spans(tokenizer: Tokenizer, ids: list[int]) -> list[tuple[str, tuple[int, int]]]:
    """Returns the words of a caption before EOS, each with its range of tokens.

    Words that share a token, for example in a script without spaces, are merged.
    """
    eos = eos_id(tokenizer)
    ids = ids[: ids.index(eos)] if eos in ids else ids
    text = tokenizer.decode(ids, skip_special_tokens=True)
    prefixes = (tokenizer.decode(ids[:n], skip_special_tokens=True) for n in range(1, len(ids) + 1))
    # Characters that are complete with each token; one of several bytes is complete with its last
    complete = (len(commonprefix([prefix, text])) for prefix in prefixes)  # noqa: RUF071
    reached = list(accumulate(complete, max))
    spans: list[tuple[int, int, int, int]] = []  # ranges of characters and of tokens
    for word in WORD.finditer(text):
        (first, last), start = word.span(), spans[-1][3] if spans else 0
        if bisect_right(reached, first) < start:  # it begins in the last token of the word before
            first, _, start, _ = spans.pop()
        spans.append((first, last, start, bisect_left(reached, last) + 1))
    spans[-1:] = [(*span[:3], len(ids)) for span in spans[-1:]]  # tokens after the last word belong to it
    return [(text[first:last], (start, end)) for first, last, start, end in spans]


def attention_arrays(files: list[str], words: list[list[str]], maps: Maps) -> dict[str, Any]:
    """Returns ``words``, ``files`` and ``maps``, padded with zeros: float32 (N, longest caption, h, w)."""
    longest = max((len(one) for one in maps), default=0)
    padded = [np.pad(one, ((0, longest - len(one)), (0, 0), (0, 0))) for one in maps]
    together = np.stack(padded) if maps else np.zeros((0, 0, 1, 1), np.float32)
    return {"maps": together, "words": words, "files": files}


def attention_sheet(images: NDArray[np.uint8], words: list[list[str]], maps: Maps) -> NDArray[np.uint8]:
    """Draws each image, followed by one copy per word with the attention for that word in orange.

    Returns:
        uint8 (height, width, 3).
    """
    if not len(images):
        return contact_sheet(images)
    sheets = [
        contact_sheet(
            highlighted(image, attention),
            ["", *map(_drawable, texts)],
            COLUMNS,
            scale=1,
            max_lines=2,
        )
        for image, texts, attention in zip(images, words, maps, strict=True)
    ]
    width = max(sheet.shape[1] for sheet in sheets)
    paddings = [((0, 0), (0, width - sheet.shape[1]), (0, 0)) for sheet in sheets]
    return np.concatenate(
        [np.pad(sheet, padding, constant_values=255) for sheet, padding in zip(sheets, paddings, strict=True)]
    )


def _drawable(word: str) -> str:
    """The word, or its code points if no font has them."""
    return first_drawable([word], " ".join(f"U+{ord(character):04X}" for character in word))


def highlighted(image: NDArray[np.uint8], maps: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The enlarged image, then a copy for each map, which is divided by its maximum and enlarged smoothly."""
    large = enlarge(on_checkerboard(image), max(1, SHOWN_PIXELS // image.shape[0]))
    # In a pale gray copy the image stays recognizable, and only the attention has a color
    gray = large.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    pale = np.repeat((96 + 0.6 * gray)[..., None], 3, axis=2)
    frames = [large]
    for attention in maps:
        relative = Image.fromarray(attention / (attention.max(initial=0.0) or 1.0))
        smooth = np.asarray(relative.resize(large.shape[1::-1], Image.Resampling.BICUBIC))
        weight = 0.85 * smooth.clip(0, 1)[..., None]
        frames.append((pale * (1 - weight) + np.array(ORANGE, np.float32) * weight).round().astype(np.uint8))
    return np.stack(frames)

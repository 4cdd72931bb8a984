"""Where the captioner looked at each word, as arrays and as a picture."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from lexipix.data.images import normalize
from lexipix.data.tokenization import eos_id
from lexipix.models.captioner import Captioner
from lexipix.reporting.contact_sheet import attention_sheet, contact_sheet

FIRST_IDEOGRAPH = 0x2E80  # from here on, scripts that write no spaces between words


def look(
    captioner: Captioner, tokenizer: Tokenizer, images: NDArray[np.uint8], max_tokens: int, beams: int
) -> tuple[list[list[str]], list[NDArray[np.float32]]]:
    """Caption pictures and tell where each word looked.

    Args:
        captioner: Trained, in evaluation mode.
        tokenizer: Its own.
        images: uint8 (N, S, S, 3).
        max_tokens: Longest caption.
        beams: 1 writes greedily.

    Returns:
        For each picture its words, and maps (words, h, w), each of sum 1.
    """
    unit = normalize(torch.from_numpy(np.array(images)).to(captioner.positions.device))
    with torch.inference_mode():
        ids = captioner.generate(unit, max_tokens, beams)
        attention = captioner.attention(unit, ids).cpu().numpy()
    side = round(attention.shape[-1] ** 0.5)
    words, maps = [], []
    for tokens, cells in zip(ids.tolist(), attention, strict=True):
        spans = word_spans(tokenizer, tokens)
        words.append([word for word, _ in spans])
        means = [cells[start:end].mean(0) for (_, (start, end)) in spans]
        maps.append(np.array(means, np.float32).reshape(len(means), side, side))
    return words, maps


def word_spans(tokenizer: Tokenizer, ids: list[int]) -> list[tuple[str, tuple[int, int]]]:
    """Give the words of a caption, each with the range of its tokens; what follows EOS is left out.

    A token that holds several words (of a script without spaces, say) makes them one.
    """
    eos = eos_id(tokenizer)
    ids = ids[: ids.index(eos)] if eos in ids else ids
    text = tokenizer.decode(ids, skip_special_tokens=True)
    words = _words(text)
    spans: list[tuple[int, int, int, int]] = []  # of letters and of tokens
    before = 0
    for index in range(len(ids) if words else 0):
        so_far = tokenizer.decode(ids[: index + 1], skip_special_tokens=True)
        # A letter of several bytes is reached with its last one; the tokens before belong to it as well
        reached = next((i for i, (a, b) in enumerate(zip(so_far, text, strict=False)) if a != b), len(so_far))
        first = next((word for word in words if word[1] > before), words[-1])
        last = next((word for word in words if word[1] >= reached), words[-1])
        before = max(before, reached)
        if spans and first[0] < spans[-1][1]:
            start, end, from_token, _ = spans[-1]
            spans[-1] = (start, max(end, last[1]), from_token, index + 1)
        else:
            spans.append((first[0], max(first[1], last[1]), index, index + 1))
    return [(text[start:end], (first, last)) for start, end, first, last in spans]


def _words(text: str) -> list[tuple[int, int]]:
    """Find where words begin and end; each letter of a script without spaces is one."""
    words: list[tuple[int, int]] = []
    for index, letter in enumerate(text):
        if letter.isspace():
            continue
        alone = ord(letter) >= FIRST_IDEOGRAPH
        if words and words[-1][1] == index and not alone and ord(text[index - 1]) < FIRST_IDEOGRAPH:
            words[-1] = (words[-1][0], index + 1)
        else:
            words.append((index, index + 1))
    return words


def as_arrays(
    files: list[str], words: list[list[str]], maps: list[NDArray[np.float32]]
) -> dict[str, NDArray[np.float32] | Any]:
    """Put maps of captions of unequal length into one array, zero behind the last word.

    Returns:
        ``maps`` float32 (N, longest, h, w), ``words`` and ``files``.
    """
    longest = max((len(one) for one in maps), default=0)
    side = maps[0].shape[-1] if maps else 1
    together = np.zeros((len(maps), longest, side, side), np.float32)
    for row, one in zip(together, maps, strict=True):
        row[: len(one)] = one
    return {"maps": together, "words": words, "files": files}


def draw(
    images: NDArray[np.uint8], words: list[list[str]], maps: list[NDArray[np.float32]]
) -> NDArray[np.uint8]:
    """Draw one row of pictures for each caption, below each other: uint8 (height, width, 3)."""
    scale = max(1, 96 // images.shape[1])
    sheets = [
        attention_sheet(image, texts, cells, scale=scale, columns=12)
        for image, texts, cells in zip(images, words, maps, strict=True)
    ]
    if not sheets:
        return contact_sheet(images)
    width = max(sheet.shape[1] for sheet in sheets)
    return np.concatenate(
        [
            np.pad(sheet, ((0, 0), (0, width - sheet.shape[1]), (0, 0)), constant_values=255)
            for sheet in sheets
        ]
    )

"""Words of captions for words that no caption has: the nearest ones by a pretrained sentence encoder.

The table goes with the champion, which so needs neither the encoder nor torch.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.metrics.text import tokens
from lexipix.utils.progress import track
from lexipix.utils.types import PretrainedSentenceEncoder

MIN_COSINE = 0.5  # of two words of which one may stand for the other
MIN_LETTERS = 3  # shorter words of a vocabulary are mostly abbreviations
BATCH, MAX_TOKENS = 256, 32
# Signs of vocabularies around whole words: of byte-level BPE, of SentencePiece, and of CLIP
_STARTS, _END, _CONTINUED = ("Ġ", "▁"), "</w>", "##"


def nearest_words(encoder: PretrainedSentenceEncoder, known: Sequence[str]) -> dict[str, str]:
    """The words of the encoder's vocabulary that mean about the same as a known word, and that word.

    Vectors are compared without their mean, which all words share (Mu and Viswanath 2018, arXiv 1702.01417).
    """
    targets = [word for word in known if _is_word(word)]
    others = sorted(_whole_words(encoder.tokenizer.get_vocab()) - set(known))
    if not targets or not others:
        return {}
    vectors = _word_vectors(encoder, [*targets, *others])
    vectors -= vectors.mean(0)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    keys, found = vectors[: len(targets)], {}
    for start in range(0, len(others), BATCH):
        cosines = vectors[len(targets) + start : len(targets) + start + BATCH] @ keys.T
        for word, row in zip(others[start : start + BATCH], cosines, strict=True):
            best = int(row.argmax())
            if row[best] >= MIN_COSINE:
                found[word] = targets[best]
    return found


def _is_word(word: str) -> bool:
    return word.isalpha() and len(word) >= MIN_LETTERS and tokens(word) == [word]


def _whole_words(vocabulary: Iterable[str]) -> set[str]:
    """The entries of a vocabulary that are whole words, in lower case."""
    names = list(vocabulary)
    if any(name.startswith(_STARTS) for name in names):
        words = [name[1:] for name in names if name.startswith(_STARTS)]
    elif any(name.endswith(_END) for name in names):
        words = [name.removesuffix(_END) for name in names if name.endswith(_END)]
    else:
        words = [name for name in names if not name.startswith(_CONTINUED)]
    return {word for word in map(str.lower, words) if _is_word(word)}


@torch.inference_mode()
def _word_vectors(encoder: PretrainedSentenceEncoder, words: Sequence[str]) -> NDArray[np.float32]:
    """Vectors of words, (N, D), each read as a sentence of its own."""
    parts = [list(words[start : start + BATCH]) for start in range(0, len(words), BATCH)]
    vectors = []
    for part in track(parts, len(words), "words", "words", len):
        inputs = encoder.tokenizer(
            part, padding=True, truncation=True, max_length=MAX_TOKENS, return_tensors="pt"
        )
        vectors.append(_pooled(encoder, inputs).numpy())
    return np.concatenate(vectors).astype(np.float32)


def _pooled(encoder: PretrainedSentenceEncoder, inputs: dict[str, Tensor]) -> Tensor:
    mask = inputs["attention_mask"]
    output = encoder.model(input_ids=inputs["input_ids"], attention_mask=mask)
    if encoder.pooling == "projection":
        projected: Tensor = output.text_embeds
        return projected
    states: Tensor = output.last_hidden_state
    if encoder.pooling == "first":
        return states[:, 0]
    return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

"""A byte-level BPE tokenizer trained on the captions, with PAD and EOS of its own. Imports no torch.

A tokenizer of this project, trained here or taken from a pretrained language model, closes a text with its
EOS by itself and knows its padding: ``tokenizer.json`` is all it takes to turn words into a network's input.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from tokenizers import (
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

PAD, EOS = "<pad>", "<eos>"
PAD_ID, EOS_ID = 0, 1


def train_tokenizer(captions: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learn a tokenizer; any text of any language can be encoded afterwards (byte fallback).

    Chinese puts no spaces between words, and whole phrases would become tokens, which say nothing of a new
    phrase with the same characters in it: no token is longer than one of them.

    Args:
        captions: Training captions.
        vocabulary: At most this many ids, PAD and EOS and the 256 bytes included.

    Returns:
        A tokenizer with ``PAD_ID`` 0 and ``EOS_ID`` 1.
    """
    tokenizer = Tokenizer(models.BPE())
    # A leading space on the first word too: "star" is one token wherever it stands
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), normalizers.Strip(), normalizers.Prepend(" ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, EOS],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(captions, trainer)
    return with_ends(tokenizer, PAD, EOS)


def with_ends(tokenizer: Tokenizer, pad: str, eos: str) -> Tokenizer:
    """Let a tokenizer close every text with its token ``eos`` and pad batches with its token ``pad``."""
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {eos}", special_tokens=[(eos, tokenizer.token_to_id(eos))]
    )
    tokenizer.enable_padding(pad_id=tokenizer.token_to_id(pad), pad_token=pad)
    return tokenizer


def pad_id(tokenizer: Tokenizer) -> int:
    """The id that fills up a batch."""
    padding = tokenizer.padding
    if padding is None:
        raise ValueError("this tokenizer knows no padding: make it with with_ends()")
    return int(padding["pad_id"])


def eos_id(tokenizer: Tokenizer) -> int:
    """The id that closes a text."""
    return int(tokenizer.encode("").ids[-1])


def encode(tokenizer: Tokenizer, captions: Sequence[str], max_tokens: int) -> NDArray[np.int64]:
    """Captions to ids, each closed by EOS and padded by PAD to the longest of them.

    Args:
        tokenizer: From :func:`train_tokenizer` or :func:`with_ends`.
        captions: N texts.
        max_tokens: Longer captions are cut, EOS included in the count.

    Returns:
        int64 (N, L), L <= max_tokens.
    """
    if not captions:
        return np.empty((0, 1), np.int64)
    # What a caption says is text, even where it spells the name of a token; tokenizer.json does not keep this
    tokenizer.encode_special_tokens = True
    ids = np.array([encoding.ids for encoding in tokenizer.encode_batch_fast(list(captions))], np.int64)
    if ids.shape[1] > max_tokens:
        pad, eos = pad_id(tokenizer), eos_id(tokenizer)
        ids = ids[:, :max_tokens]
        ids[(ids[:, -1] != pad), -1] = eos
    return ids


def decode(tokenizer: Tokenizer, ids: NDArray[np.int64]) -> list[str]:
    """Ids (N, L) to texts, each up to its first EOS."""
    eos = eos_id(tokenizer)
    rows = [row[: row.index(eos)] if eos in row else row for row in ids.tolist()]
    return [text.strip() for text in tokenizer.decode_batch(rows, skip_special_tokens=True)]

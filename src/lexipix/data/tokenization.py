"""Byte-level BPE tokenizers, and one of words and their parts. Imports no torch.

All tokenizers, also those of pretrained language models, append EOS to a text and know their padding, so that
``tokenizer.json`` alone turns text into a network's input.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

PAD, EOS = "<pad>", "<eos>"
PAD_ID, EOS_ID = 0, 1
UNKNOWN = "<unknown-feature>"  # only feature tokenizers have it
_SPECIAL = [PAD, EOS, UNKNOWN]
SEPARATOR = "\n"  # of features; in no word, since words end at white space
CHUNK = 8192  # captions that are encoded at a time
PART_LENGTHS = (3, 4, 5)  # characters, with the marks of a word's ends
# Chinese has no spaces: whole phrases would become tokens, of no use for new phrases
_HAN = pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated")
_NORMALIZED = normalizers.Sequence(
    [normalizers.NFKC(), normalizers.Lowercase(), normalizers.Replace(Regex(r"[,.;:](?=\s|$)"), " ")]
)
_WORDS = pre_tokenizers.Sequence(
    [_HAN, pre_tokenizers.Punctuation("isolated"), pre_tokenizers.WhitespaceSplit()]
)


def train_tokenizer(captions: Iterable[str], vocabulary: int) -> Tokenizer:
    """Train a tokenizer; by byte fallback it encodes any text.

    ``vocabulary`` is the maximum number of ids, with ``PAD_ID`` 0, ``EOS_ID`` 1 and the 256 bytes.
    """
    tokenizer = Tokenizer(models.BPE())
    # With a space in front of the first word too, "star" is the same token everywhere
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Lowercase(), normalizers.Strip(), normalizers.Prepend(" ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [_HAN, pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[PAD, EOS],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(captions, trainer)
    return _with_end_and_padding(tokenizer)


class FeatureTokenizer(NamedTuple):
    """A tokenizer of :func:`text_features`: special ids, then rare words, other words, and the rest."""

    tokenizer: Tokenizer
    n_silent: int  # special ids and words of a single caption, of which nothing can be learned
    n_words: int  # the ids below are special ones or words, the others are pairs and parts of words


def train_feature_tokenizer(captions: Iterable[str], vocabulary: int) -> FeatureTokenizer:
    """Train a tokenizer that reads the words of captions, and those pairs and parts that occur twice.

    At most ``vocabulary`` ids, half of which can be words; those that occur most, and one for all others.
    :func:`encode` applies it.
    """
    words, others = Counter[str](), Counter[str]()
    for caption in dict.fromkeys(captions):
        own = _marked_words(caption)
        words.update(own)
        others.update(_pairs(own))
    for word, n in words.items():  # their parts once for each word, not for each caption
        for part in _parts(word):
            others[part] += n
    known = _most_frequent(words, vocabulary // 2 - len(_SPECIAL))
    rare = [word for word in known if words[word] == 1]
    kept = [*_SPECIAL, *rare, *(word for word in known if words[word] > 1)]
    n_words = len(kept)
    frequent = Counter({feature: n for feature, n in others.items() if n > 1})
    kept += _most_frequent(frequent, vocabulary - n_words)
    model = models.WordLevel({feature: number for number, feature in enumerate(kept)}, UNKNOWN)
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens(_SPECIAL)
    tokenizer.pre_tokenizer = pre_tokenizers.CharDelimiterSplit(SEPARATOR)
    return FeatureTokenizer(_with_end_and_padding(tokenizer), len(_SPECIAL) + len(rare), n_words)


def word_ids(tokenizer: Tokenizer) -> NDArray[np.bool_]:
    """Which ids of a tokenizer are words, or pieces of words: bool (vocabulary,)."""
    special = {pad_id(tokenizer), eos_id(tokenizer), tokenizer.token_to_id(UNKNOWN)}
    is_word = np.ones(tokenizer.get_vocab_size(), np.bool_)
    for token, number in tokenizer.get_vocab().items():
        is_word[number] = number not in special and (not reads_features(tokenizer) or _is_word(token))
    return is_word


def text_features(caption: str) -> str:
    """Words, pairs of neighboring words and parts of words of a caption, with ``SEPARATOR`` between them.

    Parts are runs of 3 to 5 characters, with the ends of a word marked as in ``^word$`` (fastText, Bojanowski
    et al. 2017, arXiv 1607.04606): *swordfish* is read in part where only *sword* and *fish* are known.
    Chinese characters and signs are words of their own; commas, periods and colons between words are dropped.
    """
    words = _marked_words(caption)
    parts = [part for word in words for part in _parts(word)]
    return SEPARATOR.join([*words, *_pairs(words), *parts])


def _marked_words(caption: str) -> list[str]:
    return [f"^{word}$" for word, _ in _WORDS.pre_tokenize_str(_NORMALIZED.normalize_str(caption))]


def _pairs(words: list[str]) -> list[str]:
    return [f"{first} {second}" for first, second in pairwise(words)]


def _is_word(feature: str) -> bool:
    """Whether a text feature is a whole word, and no pair or part of words."""
    return feature.startswith("^") and feature.endswith("$") and " " not in feature


def _most_frequent(counts: Counter[str], limit: int) -> list[str]:
    """The features that occur most, at most ``limit``; of equal ones those that are first in the alphabet."""
    return sorted(counts, key=lambda feature: (-counts[feature], feature))[: max(0, limit)]


def reads_features(tokenizer: Tokenizer) -> bool:
    """Whether it is a tokenizer of :func:`train_feature_tokenizer`."""
    return tokenizer.token_to_id(UNKNOWN) is not None


@lru_cache(maxsize=10_000)
def _parts(word: str) -> tuple[str, ...]:
    """Runs of 3 to 5 characters of a word, but not the whole word."""
    sizes = [n for n in PART_LENGTHS if n < len(word)]
    return tuple(word[start : start + n] for n in sizes for start in range(len(word) - n + 1))


def _with_end_and_padding(tokenizer: Tokenizer) -> Tokenizer:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {EOS}", special_tokens=[(EOS, EOS_ID)]
    )
    tokenizer.enable_padding(pad_id=PAD_ID, pad_token=PAD)
    return tokenizer


def pad_id(tokenizer: Tokenizer) -> int:
    """Id of the padding token."""
    assert tokenizer.padding is not None  # all of ours pad
    return int(tokenizer.padding["pad_id"])


def eos_id(tokenizer: Tokenizer) -> int:
    """Id of the token that ends a text."""
    return int(tokenizer.encode("").ids[-1])


def encode(tokenizer: Tokenizer, captions: Sequence[str], max_tokens: int) -> NDArray[np.int64]:
    """Encode captions as int64 (N, L), each ending in EOS, cut to ``max_tokens``, padded to the longest.

    A feature tokenizer reads the captions' :func:`text_features`.
    """
    if not captions:
        return np.empty((0, 1), np.int64)
    if reads_features(tokenizer):
        return _feature_ids(tokenizer, captions, max_tokens)
    # Read the name of a special token in a caption as text; tokenizer.json does not store this setting
    tokenizer.encode_special_tokens = True
    ids = np.array([encoding.ids for encoding in tokenizer.encode_batch_fast(list(captions))], np.int64)
    if ids.shape[1] > max_tokens:
        pad, eos = pad_id(tokenizer), eos_id(tokenizer)
        ids = ids[:, :max_tokens]
        ids[(ids[:, -1] != pad), -1] = eos
    return ids


def _feature_ids(tokenizer: Tokenizer, captions: Sequence[str], max_tokens: int) -> NDArray[np.int64]:
    """What :func:`encode` returns, in a tenth of the time that the tokenizer takes."""
    known = _vocabulary(tokenizer)
    unknown, parts, rows = known[UNKNOWN], dict[str, list[int]](), []
    for caption in captions:
        words = _marked_words(caption)
        row = [known.get(feature, unknown) for feature in (*words, *_pairs(words))]
        for word in words:
            if word not in parts:
                parts[word] = [known.get(part, unknown) for part in _parts(word)]
            row += parts[word]
        rows.append([*row[: max_tokens - 1], EOS_ID])
    ids = np.full((len(rows), max(map(len, rows))), PAD_ID, np.int64)
    for place, row in zip(ids, rows, strict=True):
        place[: len(row)] = row
    return ids


@lru_cache(maxsize=8)
def _vocabulary(tokenizer: Tokenizer) -> dict[str, int]:
    """A tokenizer's ids, which it copies at every call."""
    return dict(tokenizer.get_vocab())


def n_tokens(tokenizer: Tokenizer, captions: Sequence[str]) -> NDArray[np.int64]:
    """The number of ids that say what each caption says, EOS included: of features only the words count.

    Parts of words come last, and a long caption can do without some.
    """
    counts = np.zeros(len(captions), np.int64)
    for start in range(0, len(captions), CHUNK):
        some = captions[start : start + CHUNK]
        if reads_features(tokenizer):
            counts[start : start + CHUNK] = [1 + len(_marked_words(caption)) for caption in some]
        else:
            counts[start : start + CHUNK] = (encode(tokenizer, some, sys.maxsize) != pad_id(tokenizer)).sum(1)
    return counts


def decode(tokenizer: Tokenizer, ids: NDArray[np.int64]) -> list[str]:
    """Decode ids (N, L) to texts, each up to its first EOS."""
    eos = eos_id(tokenizer)
    rows = [row[: row.index(eos)] if eos in row else row for row in ids.tolist()]
    return [text.strip() for text in tokenizer.decode_batch(rows, skip_special_tokens=True)]

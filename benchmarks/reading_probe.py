"""What each word's state knows of its own object before any picture is drawn, told by a linear map.

Which shape, color and size belong to which place is what a prior learns last. At the word that ends an
object's place a causal language model has read all of them; whether its state still holds them is another
matter, since all that it was trained for is the next word.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
from readers import Arm, Reader, SentenceVector, Words
from record import Row
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.tokenization import encode, pad_id
from lexipix.models.captioner import Captioner
from lexipix.models.text_encoder import TextEncoder
from lexipix.scenes.grammar import COLORS, SHAPES, SIZES

OBJECT = re.compile(r"(\w+) (\w+) (\w+) at the (.+?)(?= and an? |, an? | on )")
KINDS: dict[str, tuple[str, ...]] = {"size": SIZES, "color": tuple(COLORS), "shape": SHAPES}
# Of the standardised states' mean square: the small one finds what is there in any direction, the large one
# what lies in the directions in which states differ most, which gradient descent finds first.
ANY, LARGE = 1e-3, 1.0
READERS = {
    "captioner": Arm("captioner"),
    "captioner, all layers": Arm("captioner", layers="all"),
    "random weights": Arm("random"),
    "words alone": Arm("words"),
}


def probed(
    captioner: Captioner,
    text_encoder: TextEncoder,
    tokenizer: Tokenizer,
    max_tokens: int,
    learn: Sequence[str],
    test: Sequence[str],
    pictured: Sequence[tuple[Tensor, Tensor]],
) -> list[Row]:
    """Shares of size, color and shape that a linear map finds in the state of an object's last word.

    And the share of pictures whose own caption is the nearest of 64, where a linear map takes the mean and
    the maximum of a caption's states to the space of pictures.

    Args:
        captioner: Whose language model reads.
        text_encoder: The contrastive one, which is asked the same.
        tokenizer: Of both.
        max_tokens: Longest caption.
        learn: Canonical captions of scenes, to fit the maps on.
        test: Others, to test them on.
        pictured: Token ids of captions (N, L) and the vectors of their pictures (N, V), to fit such a map on;
            and others, to test it on.

    Returns:
        One row for each reader.
    """
    parts = [ends(texts, tokenizer, max_tokens) for texts in (learn, test)]
    rows = []
    networks = {name: Reader(arm, captioner, seed=0).eval() for name, arm in READERS.items()}
    for name in (*READERS, "contrastive text encoder"):
        states = []
        for ids, places, _ in parts:
            mask = ids != pad_id(tokenizer)
            with torch.no_grad():
                read = networks[name](ids, mask) if name in networks else text_encoder.encode(ids, mask)[0]
            states.append(read[places[:, 0], places[:, 1]])
        found: Row = {"reader": name}
        for number, (kind, words) in enumerate(KINDS.items()):
            truth = [true[:, number] for *_, true in parts]
            found[kind] = agreement(states, truth, len(words), ANY)
            found[f"{kind}, at once"] = agreement(states, truth, len(words), LARGE)
        reader = networks.get(name)
        found["picture among 64"] = nearest_own(reader, text_encoder, pad_id(tokenizer), *pictured)
        rows.append(found)
    return rows


@torch.no_grad()
def nearest_own(
    reader: Reader | None,
    text_encoder: TextEncoder,
    padding: int,
    learn: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
) -> float:
    """Share of the second part's pictures whose own caption is the nearest of 64.

    The captions' vectors are solved for the reader on the first part; without one they are the contrastive
    text encoder's own.
    """
    sentence = SentenceVector(reader, learn[1].shape[1]) if reader is not None else None

    def words(ids: Tensor) -> Words:
        mask = ids != padding
        return Words(ids, mask, *text_encoder.encode(ids, mask))

    if sentence is not None and reader is not None:
        known = [words(some) for some in learn[0].split(256)]
        states = [sentence.describe(reader(one.ids, one.mask), one) for one in known]
        sentence.solve(torch.cat(states), learn[1])
    right: list[Tensor] = []
    for ids, vectors in zip(test[0].split(64), test[1].split(64), strict=True):
        read = words(ids)
        own = read.embedding
        if sentence is not None and reader is not None:
            own = sentence(reader(ids, read.mask), read)
        right.append((vectors @ own.T).argmax(1) == torch.arange(len(ids)))
    return float(torch.cat(right).float().mean())


def ends(texts: Sequence[str], tokenizer: Tokenizer, max_tokens: int) -> tuple[Tensor, Tensor, Tensor]:
    """Where objects end in captions, and what they are.

    Returns:
        Token ids (N, L); for each object its caption and its last token, (M, 2); and the numbers of its size,
        color and shape, (M, 3).
    """
    places, truth = [], []
    for number, text in enumerate(texts):
        offsets = tokenizer.encode(text).offsets
        for match in OBJECT.finditer(text):
            last = max(i for i, (start, end) in enumerate(offsets) if start < min(end, match.end()))
            known = all(match[i] in words for i, words in enumerate(KINDS.values(), start=1))
            if known and last < max_tokens - 1:
                places.append((number, last))
                truth.append([words.index(match[i]) for i, words in enumerate(KINDS.values(), start=1)])
    ids = torch.from_numpy(encode(tokenizer, texts, max_tokens))
    return ids, torch.tensor(places), torch.tensor(truth)


def agreement(states: Sequence[Tensor], truth: Sequence[Tensor], n_words: int, ridge: float) -> float:
    """Share of the second part's words that ridge regression, fitted on the first part, names."""
    mean, scale = states[0].mean(0), states[0].std(0) + 1e-6
    learn, test = ((part - mean) / scale for part in states)
    square = learn.T @ learn / len(learn) + ridge * torch.eye(learn.shape[1])
    targets = F.one_hot(truth[0], n_words).float()
    product = learn.T @ (targets - targets.mean(0)) / len(learn)
    solution = torch.linalg.solve(square.double(), product.double())
    said = test.double() @ solution + targets.mean(0)
    return float((said.argmax(1) == truth[1]).float().mean())

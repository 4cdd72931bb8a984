"""Contrastive losses between images and captions, and the loss of naming a caption's tokens."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

CONTRASTIVE_SCALE = 20.0  # inverse temperature between generated images and captions


def contrastive_loss(similarities: Tensor, same: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Return the symmetric cross-entropy over a batch (CLIP, arXiv 2103.00020).

    ``similarities`` (B, B) have images in rows, captions in columns. Equal captions share a target: ``same``,
    bool (B, B), is true where row i's caption equals column j's, at least on the diagonal. A share
    ``label_smoothing`` of each target goes to all captions evenly.
    """
    targets = same.float() / same.sum(1, keepdim=True)
    if label_smoothing:
        targets = (1 - label_smoothing) * targets + label_smoothing / len(targets)
    rows = -(targets * similarities.log_softmax(1)).sum(1).mean()
    columns = -(targets.T * similarities.log_softmax(0).T).sum(1).mean()
    return (rows + columns) / 2


def caption_matching_loss(images: Tensor, captions: Tensor, groups: Tensor) -> Tensor:
    """Return the contrastive loss between generated images and their captions, unit vectors (B, V).

    Equal numbers in ``groups``, int (B,), mark equal captions.
    """
    similarities = CONTRASTIVE_SCALE * images @ captions.T
    same = torch.eq(groups[:, None], groups[None])
    return contrastive_loss(similarities, same.to(similarities.device))


def bag_of_tokens_loss(logits: Tensor, ids: Tensor, ignored: Sequence[int]) -> Tensor:
    """Return the binary cross-entropy of predicting by logits (B, V) which tokens occur in captions (B, L).

    It is summed over the vocabulary, but for the ``ignored`` ids, and averaged over the batch.
    """
    present = torch.zeros_like(logits).scatter_(1, ids, 1.0)
    present[:, list(ignored)] = 0.0
    return F.binary_cross_entropy_with_logits(logits, present, reduction="none").sum(1).mean()

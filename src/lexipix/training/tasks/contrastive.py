"""Contrastive training of the image-text pair; the features stage and the evaluator both use it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.augmentation import Augmentation, augment
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows, Images, random_hflip, random_shift
from lexipix.models.contrastive_pair import ContrastivePair


def contrastive_loss(similarities: Tensor, same: Tensor) -> Tensor:
    """Symmetric cross-entropy over a batch (CLIP), with pairs of equal captions shared out as targets.

    Args:
        similarities: (B, B), pictures in rows, captions in columns.
        same: bool (B, B), true where row i's caption equals column j's; at least the diagonal.

    Returns:
        Scalar.
    """
    targets = same.float() / same.sum(1, keepdim=True)
    rows = -(targets * similarities.log_softmax(1)).sum(1).mean()
    columns = -(targets.T * similarities.log_softmax(0).T).sum(1).mean()
    return (rows + columns) / 2


def words_loss(logits: Tensor, ids: Tensor, no_words: Sequence[int]) -> Tensor:
    """Binary cross-entropy of naming the tokens that occur in each caption, summed over the vocabulary.

    Args:
        logits: (B, V).
        ids: (B, L) token ids.
        no_words: Ids that are none: padding and end.

    Returns:
        Scalar, mean over the batch.
    """
    present = torch.zeros_like(logits).scatter_(1, ids, 1.0)
    present[:, list(no_words)] = 0.0
    return F.binary_cross_entropy_with_logits(logits, present, reduction="none").sum(1).mean()


class ContrastiveTask:
    """Trains a :class:`ContrastivePair` on captioned pictures.

    Args:
        pair: The networks.
        images: Training pictures, uint8 (N, S, S, 3).
        captions: Their wordings.
        groups: int (N,): equal numbers mark equal captions.
        validation: Pictures, captions and groups of the validation rows.
        learning_rate: Peak rate.
        words_weight: Of :func:`words_loss` beside the contrastive loss.
        augment: Shift pictures by up to two pixels.
        flip: Mirror half of them; only where captions name no side.
        device: Where to train.
        augmentations: See :func:`lexipix.data.augmentation.augment`; for few pictures.
    """

    def __init__(
        self,
        pair: ContrastivePair,
        images: Images,
        captions: CaptionRows,
        groups: NDArray[np.int64],
        validation: tuple[Images, CaptionRows, NDArray[np.int64]],
        *,
        learning_rate: float,
        words_weight: float,
        augment: bool,
        flip: bool,
        device: torch.device,
        augmentations: Sequence[Augmentation] = (),
    ) -> None:
        self.pair = pair
        self.images, self.captions = ImageRows(images, device), captions
        self.groups = torch.from_numpy(groups)
        self.val_images, self.val_captions = ImageRows(validation[0], device), validation[1]
        self.val_groups = torch.from_numpy(validation[2])
        self.words_weight = words_weight
        self.augment, self.flip, self.augmentations = augment, flip, augmentations
        self.modules: Mapping[str, torch.nn.Module] = {"pair": pair}
        self.averaged: Sequence[str] = ("pair",)
        weights = [weight for weight in pair.parameters() if weight.requires_grad]
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "pair": torch.optim.AdamW(
                weights, learning_rate, betas=(0.9, 0.99), weight_decay=0.02, fused=True
            )
        }
        self.n_rows = len(images)
        pair.train()

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update on a batch of pictures with a random wording each."""
        images = self.images[rows]
        if self.augment:
            images = random_shift(images, 2)
        if self.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        if self.augmentations:
            images = augment(images, self.augmentations).contiguous(memory_format=torch.channels_last)
        ids = self.captions.sample(rows)
        groups = self.groups[rows].to(images.device)
        features = self.pair.image_encoder(images)
        text_vectors = self.pair.text_encoder(ids, ids != self.captions.pad_id)
        similarities = self.pair.similarities(features.embedding, text_vectors)
        contrast = contrastive_loss(similarities, groups[:, None] == groups[None])
        words = words_loss(
            self.pair.token_head(features.pooled).float(),
            self.captions.primary(rows),
            (self.captions.pad_id, self.captions.eos_id),
        )
        loss = contrast + self.words_weight * words
        self.optimizers["pair"].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.pair.parameters(), 1.0)
        self.optimizers["pair"].step()
        found = groups[similarities.argmax(1)] == groups
        return {"loss": contrast, "words_loss": words, "accuracy": found.float().mean()}

    def validate(self) -> dict[str, float]:
        """Loss and top-1 accuracy within batches of 128 among up to 1024 validation pairs."""
        losses, found = [], []
        for rows in torch.arange(min(len(self.val_images), 1024)).split(128):
            ids, groups = self.val_captions.primary(rows), self.val_groups[rows]
            similarities = self.pair.similarities(
                self.pair.image_encoder(self.val_images[rows]).embedding,
                self.pair.text_encoder(ids, ids != self.val_captions.pad_id),
            )
            same = (groups[:, None] == groups[None]).to(similarities.device)
            losses.append(contrastive_loss(similarities, same))
            found.append(groups[similarities.argmax(1).cpu()] == groups)
        return {
            "objective": float(torch.stack(losses).mean()),
            "accuracy": float(torch.cat(found).float().mean()),
        }

    def sheet(self) -> None:
        """No picture tells more than the curve."""

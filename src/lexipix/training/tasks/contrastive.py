"""Contrastive training of the image-text pair of the features stage."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows, Images, random_hflip, random_shift
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training import workers
from lexipix.training.losses.contrastive import bag_of_tokens_loss, contrastive_loss
from lexipix.training.muon import Muon
from lexipix.training.tasks.base import Metrics, NetworkTask, trainable


class ContrastiveTask(NetworkTask):
    """Trains a :class:`ContrastivePair` on captioned images, uint8 (N, S, S, 3).

    Equal numbers in ``groups``, int (N,), mark equal captions. ``words_weight`` is that of
    :func:`bag_of_tokens_loss` beside the contrastive loss, if the pair has a token head. With ``augment``
    images are shifted by up to two pixels, with ``flip`` half of them are mirrored.
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
    ) -> None:
        optimizer = Muon(pair, [{"params": trainable(pair)}], learning_rate, 0.99, 0.02)
        super().__init__("pair", pair, optimizer, len(images))
        self.pair, self.words_weight = pair, words_weight
        self.images, self.captions = ImageRows(images, captions.device), captions
        self.groups = torch.from_numpy(groups)
        self.val_images, self.val_captions = ImageRows(validation[0], captions.device), validation[1]
        self.val_groups = torch.from_numpy(validation[2])
        self.augment, self.flip = augment, flip
        pair.train()

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        images = self.images[rows]
        if self.augment:
            images = random_shift(images, 2)
        if self.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        ids = self.captions.sample(rows)
        groups = workers.gather(self.groups[rows].to(images.device))
        features = self.pair.image_encoder(images)
        embeddings = self.pair.text_encoder(ids, ids != self.captions.pad_id)
        similarities = self.pair.similarities(workers.gather(features.embedding), workers.gather(embeddings))
        loss = contrastive_loss(similarities, groups[:, None] == groups[None])
        accuracy = (groups[similarities.argmax(1)] == groups).float().mean()
        metrics = {"loss": loss, "accuracy": accuracy}
        if self.pair.token_head is not None:
            metrics["words_loss"] = bag_of_tokens_loss(
                self.pair.token_head(features.pooled).float(),
                self.captions.primary(rows),
                (self.captions.pad_id, self.captions.eos_id),
            )
            loss = loss + self.words_weight * metrics["words_loss"]
        return loss, metrics

    def validate(self) -> dict[str, float]:
        """Return loss and top-1 accuracy within batches of 128 among up to 1024 validation pairs."""
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

"""Contrastive training of the evaluator."""

import numpy as np
import torch
from torch import Tensor

from lexipix.config.evaluation import EvaluatorParameters
from lexipix.data.augmentation import augment
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import N_VALIDATION, ImageRows, Images, random_hflip, random_shift
from lexipix.models.blocks import FINE_SIDE
from lexipix.models.evaluator import Evaluator
from lexipix.training import workers
from lexipix.training.losses.contrastive import contrastive_loss
from lexipix.training.tasks.base import Metrics, NetworkTask, adamw, trainable

SHIFT = 3  # pixels of 32
SCALE_RATE = 10.0  # learning rate of the temperature, relative to that of the other weights


class EvaluatorTask(NetworkTask):
    """Trains an :class:`Evaluator` on captioned images, uint8 (N, S, S, 3).

    Every caption in its own words counts as another one, since one image can have several.
    """

    def __init__(
        self, evaluator: Evaluator, images: Images, captions: CaptionRows, parameters: EvaluatorParameters
    ) -> None:
        learning_rate = parameters.training.learning_rate
        weights = [weight for weight in trainable(evaluator) if weight is not evaluator.log_scale]
        # The temperature has few steps to its optimum
        scale = {"params": [evaluator.log_scale], "lr": SCALE_RATE * learning_rate, "weight_decay": 0.0}
        optimizer = adamw([{"params": weights}, scale], learning_rate, 0.99, parameters.weight_decay)
        super().__init__("evaluator", evaluator, optimizer, len(images))
        self.evaluator, self.captions, self.parameters = evaluator, captions, parameters
        self.images = ImageRows(images, captions.device)
        self.shift = max(1, SHIFT * self.images[torch.arange(1)].shape[-1] // FINE_SIDE)
        shown = np.linspace(0, len(images) - 1, min(len(images), N_VALIDATION)).astype(np.int64)
        self.shown = torch.from_numpy(shown)
        evaluator.train()

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        images = random_shift(self.images[rows], self.shift)
        if self.parameters.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        if self.parameters.augmentations:
            images = augment(images, self.parameters.augmentations)
            images = images.contiguous(memory_format=torch.channels_last)
        ids = self.captions.sample(rows)
        image_embeddings, texts = map(workers.gather, self._embed(images, ids))
        all_ids = workers.gather_ids(ids, self.captions.pad_id)
        similarities, same = self._compare(image_embeddings, texts, all_ids)
        loss = contrastive_loss(similarities, same, self.parameters.label_smoothing)
        return loss, {"loss": loss, "accuracy": _accuracy(similarities, same).mean()}

    def validate(self) -> dict[str, float]:
        """Return loss and top-1 accuracy within batches of 128 among up to 512 of the training pairs."""
        losses, found = [], []
        for rows in self.shown.split(128):
            ids = self.captions.primary(rows)
            similarities, same = self._compare(*self._embed(self.images[rows], ids), ids)
            losses.append(contrastive_loss(similarities, same))
            found.append(_accuracy(similarities, same))
        return {"objective": float(torch.stack(losses).mean()), "accuracy": float(torch.cat(found).mean())}

    def _embed(self, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings (B, V) of images and of captions."""
        texts = self.evaluator.text_encoder(ids, ids != self.captions.pad_id)
        return self.evaluator.image_encoder(images).embedding, texts

    def _compare(self, images: Tensor, texts: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Similarities (B, B) of embedded images and captions, and where two captions are the same."""
        similarities = self.evaluator.similarities(images, texts)
        return similarities, (ids[:, None] == ids[None]).all(-1)


def _accuracy(similarities: Tensor, same: Tensor) -> Tensor:
    """For each image (B,) whether the nearest caption is its own: 1.0 or 0.0."""
    return same.gather(1, similarities.argmax(1, keepdim=True)).squeeze(1).float()

"""Training of the captioner: next-token prediction, with the image and without."""

from typing import Any

import torch
from torch import Tensor

from lexipix.config.captioner import CaptionerParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows, Images, random_hflip, random_shift
from lexipix.models.captioner import Captioner
from lexipix.training import workers
from lexipix.training.muon import Muon
from lexipix.training.tasks.base import Metrics, NetworkTask, trainable


class CaptionerTask(NetworkTask):
    """Trains a :class:`Captioner`.

    With an image, uint8 (S, S, 3), the target is the primary caption. Some batches have no image
    and any paraphrase: they train the language model to read text alone, as the generators use it.
    """

    def __init__(
        self,
        captioner: Captioner,
        images: Images,
        captions: CaptionRows,
        validation: tuple[Images, CaptionRows],
        parameters: CaptionerParameters,
    ) -> None:
        encoder_factor, is_frozen = parameters.finetune_image_encoder, parameters.language_model.frozen
        captioner.language_model.requires_grad_(not is_frozen)
        captioner.image_encoder.set_trainable(encoder_factor > 0)
        learning_rate = parameters.training.learning_rate
        groups: list[dict[str, Any]] = [
            {"params": [captioner.positions, *captioner.adapter.parameters()]},
            {
                "params": trainable(captioner.language_model),
                "muon": parameters.language_model.source == "scratch",
            },
            {"params": trainable(captioner.image_encoder), "lr": learning_rate * encoder_factor},
        ]
        optimizer = Muon(captioner, groups, learning_rate, 0.98, 0.02)
        super().__init__("captioner", captioner, optimizer, len(images))
        self.captioner, self.parameters = captioner, parameters
        self.images, self.captions = ImageRows(images, captions.device), captions
        self.val_images, self.val_captions = ImageRows(validation[0], captions.device), validation[1]
        self.text_only_share = 0.0 if is_frozen else parameters.text_only_share
        captioner.train()

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        captioner = self.captioner
        captioner.image_encoder.train(self.parameters.finetune_image_encoder > 0)
        if workers.agreed(lambda: bool(torch.rand(()) < self.text_only_share)):
            loss = captioner.loss(self.captions.sample(rows), None)
            return loss, {"text_loss": loss}
        images = self.images[rows]
        if self.parameters.augment:
            images = random_shift(images, 2)
        if self.parameters.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        loss = captioner.loss(self.captions.primary(rows), captioner.encode_images(images))
        return loss, {"loss": loss}

    def validate(self) -> dict[str, float]:
        """Return the loss on up to 512 validation images, and the exact match of the primary caption.

        Greedy decoding writes that caption where each of its tokens is predicted from those before it.
        """
        losses, exact = [], []
        for rows in torch.arange(min(len(self.val_images), 512)).split(128):
            ids = self.val_captions.primary(rows)
            cells = self.captioner.encode_images(self.val_images[rows])
            losses.append(self.captioner.loss(ids, cells))
            best = self.captioner.logits(ids, cells).argmax(-1)
            exact.append(((best == ids) | (ids == self.captioner.pad_id)).all(1))
        return {
            "objective": float(torch.stack(losses).mean()),
            "exact_match": float(torch.cat(exact).float().mean()),
        }

"""Training of the captioner: next-word prediction, with the picture and without."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows, Images, random_hflip, random_shift
from lexipix.models.captioner import Captioner


class CaptionerTask:
    """Trains a :class:`Captioner`.

    With a picture the target is the canonical caption. A share of the batches has no picture and any wording:
    the language model learns to read text by itself, which is how the generators will use it.

    Args:
        captioner: The networks.
        images: Training pictures that have captions, uint8 (N, S, S, 3).
        captions: Their wordings.
        validation: Pictures and captions.
        learning_rate: Peak rate of the language model and the adapter.
        encoder_learning_rate: Of the image encoder; 0 freezes it.
        freeze_language_model: Train the adapter (and the image encoder) only.
        text_only_share: Share of batches without a picture.
        augment: Shift pictures by up to two pixels.
        flip: Mirror half of the pictures; only where captions name no side.
        device: Where to train.
    """

    def __init__(
        self,
        captioner: Captioner,
        images: Images,
        captions: CaptionRows,
        validation: tuple[Images, CaptionRows],
        *,
        learning_rate: float,
        encoder_learning_rate: float,
        freeze_language_model: bool,
        text_only_share: float,
        augment: bool = False,
        flip: bool = False,
        device: torch.device,
    ) -> None:
        self.captioner = captioner
        self.images, self.captions = ImageRows(images, device), captions
        self.val_images, self.val_captions = ImageRows(validation[0], device), validation[1]
        self.text_only_share = 0.0 if freeze_language_model else text_only_share
        self.augment, self.flip = augment, flip
        self.encoder_frozen = encoder_learning_rate == 0
        captioner.language_model.requires_grad_(not freeze_language_model)
        captioner.image_encoder.set_trainable(not self.encoder_frozen)
        parts = [
            ([captioner.positions, *captioner.adapter.parameters()], learning_rate),
            (captioner.language_model.parameters(), learning_rate),
            (captioner.image_encoder.parameters(), encoder_learning_rate),
        ]
        learning = [([weight for weight in weights if weight.requires_grad], rate) for weights, rate in parts]
        groups = [{"params": weights, "lr": rate} for weights, rate in learning if weights]
        self.modules: Mapping[str, torch.nn.Module] = {"captioner": captioner}
        self.averaged: Sequence[str] = ("captioner",)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "captioner": torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
        }
        self.n_rows = len(images)
        captioner.train()

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update on a batch with pictures, or on one of text alone."""
        self.captioner.image_encoder.train(not self.encoder_frozen)
        text_only = bool(torch.rand(()) < self.text_only_share)
        if text_only:
            loss = self.captioner.loss(self.captions.sample(rows), None)
        else:
            images = self.images[rows]
            if self.augment:
                images = random_shift(images, 2)
            if self.flip:
                images = random_hflip(images, torch.rand(len(rows)))
            loss = self.captioner.loss(self.captions.primary(rows), self.captioner.encode_images(images))
        self.optimizers["captioner"].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.captioner.parameters(), 1.0)
        self.optimizers["captioner"].step()
        return {"text_loss" if text_only else "loss": loss}

    def validate(self) -> dict[str, float]:
        """Loss on up to 512 validation pictures, and the share with every token predicted right.

        While each token of the true caption is predicted from the true ones before it, greedy decoding writes
        exactly that caption: this share is the exact match of the canonical caption.
        """
        losses, right = [], []
        for rows in torch.arange(min(len(self.val_images), 512)).split(128):
            ids = self.val_captions.primary(rows)
            cells = self.captioner.encode_images(self.val_images[rows])
            losses.append(self.captioner.loss(ids, cells))
            best = self.captioner.logits(ids, cells).argmax(-1)
            right.append(((best == ids) | (ids == self.captioner.pad_id)).all(1))
        return {
            "objective": float(torch.stack(losses).mean()),
            "exact_match": float(torch.cat(right).float().mean()),
        }

    def sheet(self) -> None:
        """Captions are shown at the end, with attention."""

"""Training of the captioner: next-token prediction, with the image and without."""

import torch
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows, Images, random_hflip, random_shift
from lexipix.models.captioner import Captioner
from lexipix.training.accumulation import optimizer_step
from lexipix.training.tasks.base import Metrics, TrainingTask

GRAD_CLIP = 1.0


class CaptionerTask(TrainingTask):
    """Trains a :class:`Captioner`.

    With an image the target is the canonical caption. Some batches have no image and any wording: they train
    the language model to read text alone, as the generators use it.

    Args:
        captioner: The networks.
        images: Training images with captions, uint8 (N, S, S, 3).
        captions: Their wordings.
        validation: Images and captions.
        learning_rate: Peak rate of the language model and the adapter.
        encoder_learning_rate: Of the image encoder; 0 freezes it.
        freeze_language_model: Train the adapter (and the image encoder) only.
        text_only_share: Fraction of batches without an image.
        augment: Shift images by up to two pixels.
        flip: Mirror half of the images; only where captions name no side.
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
        trainable = [([weight for weight in weights if weight.requires_grad], lr) for weights, lr in parts]
        groups = [{"params": weights, "lr": lr} for weights, lr in trainable if weights]
        self.modules, self.averaged = {"captioner": captioner}, ("captioner",)
        self.optimizers = {
            "captioner": torch.optim.AdamW(groups, betas=(0.9, 0.98), weight_decay=0.02, fused=True)
        }
        self.n_rows = len(images)
        captioner.train()

    def step(self, rows: Tensor, progress: float) -> Metrics:
        """One update on a batch with images, or on one of text alone."""
        self.captioner.image_encoder.train(not self.encoder_frozen)
        text_only = bool(torch.rand(()) < self.text_only_share)

        def losses(rows: Tensor) -> tuple[Tensor, Metrics]:
            if text_only:
                loss = self.captioner.loss(self.captions.sample(rows), None)
                return loss, {"text_loss": loss}
            images = self.images[rows]
            if self.augment:
                images = random_shift(images, 2)
            if self.flip:
                images = random_hflip(images, torch.rand(len(rows)))
            loss = self.captioner.loss(self.captions.primary(rows), self.captioner.encode_images(images))
            return loss, {"loss": loss}

        return optimizer_step(self.optimizers["captioner"], losses, [rows], clip=GRAD_CLIP)

    def validate(self) -> dict[str, float]:
        """Return the loss on up to 512 validation images, and the exact match of the canonical caption.

        Greedy decoding writes exactly the true caption where each of its tokens is predicted from the true
        ones before it.
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

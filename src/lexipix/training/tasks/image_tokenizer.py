"""Training of the image tokenizer: squared error of the image decoded from its tokens."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.training.accumulation import micro_batches, optimizer_step
from lexipix.training.sample_grid import two_rows
from lexipix.training.tasks.base import Metrics, TrainingTask

GRAD_CLIP = 1.0


class ImageTokenizerTask(TrainingTask):
    """Trains an :class:`ImageTokenizer`.

    Args:
        image_tokenizer: The network.
        images: Training images, uint8 (N, S, S, 3).
        validation: Validation images, likewise.
        learning_rate: Peak rate.
        nested_dropout_prob: Probability that an image is decoded from the first tokens of each cell alone, so
            that the tokens go from coarse to fine (nested dropout; Rippel et al. 2014, arXiv 1402.0915).
        device: Where to train.
        gradient_accumulation_steps: Micro-batches per update.
    """

    def __init__(
        self,
        image_tokenizer: ImageTokenizer,
        images: Images,
        validation: Images,
        *,
        learning_rate: float,
        nested_dropout_prob: float,
        device: torch.device,
        gradient_accumulation_steps: int = 1,
    ) -> None:
        self.image_tokenizer = image_tokenizer
        self.images, self.validation = ImageRows(images, device), ImageRows(validation, device)
        self.nested_dropout_prob = nested_dropout_prob
        self.gradient_accumulation_steps = gradient_accumulation_steps
        self.modules, self.averaged = {"image_tokenizer": image_tokenizer}, ("image_tokenizer",)
        self.optimizers = {
            "image_tokenizer": torch.optim.AdamW(
                image_tokenizer.parameters(), learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
            )
        }
        self.n_rows = len(images)

    def step(self, rows: Tensor, progress: float) -> Metrics:
        """One update towards images that are decoded as they were."""
        batches = micro_batches(rows, self.gradient_accumulation_steps)
        return optimizer_step(self.optimizers["image_tokenizer"], self._losses, batches, clip=GRAD_CLIP)

    def _losses(self, rows: Tensor) -> tuple[Tensor, Metrics]:
        tokenizer, images = self.image_tokenizer, self.images[rows]
        n_tokens = len(tokenizer.group_sizes)
        kept = torch.randint(1, max(2, n_tokens), (len(rows),))
        kept = torch.where(torch.rand(len(rows)) < self.nested_dropout_prob, kept, n_tokens)
        token_of_value = torch.arange(n_tokens).repeat_interleave(torch.tensor(tokenizer.group_sizes))
        mask = (token_of_value < kept[:, None])[..., None, None].to(images.device)
        decoded = tokenizer.decode(tokenizer.quantize(tokenizer.encode(images)) * mask)
        loss = (decoded.float() - images.float()).square().mean() / 4  # on [0, 1]
        return loss, {"loss": loss}

    def validate(self) -> dict[str, float]:
        """Return the mean per-image PSNR of up to 512 validation images, and that of their first tokens."""
        rows = torch.arange(min(len(self.validation), N_VALIDATION))
        images = self.validation[rows]
        psnr = []
        for n_tokens in range(1, len(self.image_tokenizer.group_sizes) + 1):
            decoded = self.image_tokenizer(images, n_tokens).float().clamp(-1, 1)
            psnr.append(float(batch_psnr(decoded, images).mean()))
        partial = {f"psnr_of_{n_tokens}": value for n_tokens, value in enumerate(psnr[:-1], 1)}
        return {"objective": -psnr[-1], "psnr": psnr[-1], **partial}

    def sample_grid(self) -> NDArray[np.uint8]:
        """Return up to eight originals above the images of their tokens: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.validation), 8))
        return two_rows(self.validation[rows], self.image_tokenizer(self.validation[rows]))

"""Training of the image tokenizer: squared error of the image decoded from its tokens."""

import torch
from torch import Tensor

from lexipix.config.tokens import ImageTokenizerParameters
from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.training.sample_grid import two_rows
from lexipix.training.tasks.base import Metrics, NetworkTask, SampleGrid, adamw


class ImageTokenizerTask(NetworkTask):
    """Trains an :class:`ImageTokenizer` on images, uint8 (N, S, S, 3).

    Some images are decoded from the first tokens of each cell alone, so that the tokens go from coarse to
    fine (nested dropout; Rippel et al. 2014, arXiv 1402.0915).
    """

    def __init__(
        self,
        image_tokenizer: ImageTokenizer,
        images: Images,
        validation: Images,
        parameters: ImageTokenizerParameters,
        device: torch.device,
    ) -> None:
        training = parameters.training
        optimizer = adamw(image_tokenizer.parameters(), training.learning_rate, 0.99, 0.01)
        n_images, steps = len(images), training.gradient_accumulation_steps
        super().__init__("image_tokenizer", image_tokenizer, optimizer, n_images, steps)
        self.image_tokenizer, self.nested_dropout_prob = image_tokenizer, parameters.nested_dropout_prob
        self.images, self.validation = ImageRows(images, device), ImageRows(validation, device)

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        tokenizer, images = self.image_tokenizer, self.images[rows]
        n_tokens = len(tokenizer.group_sizes)
        kept = torch.randint(1, max(2, n_tokens), (len(rows),))
        kept = torch.where(torch.rand(len(rows)) < self.nested_dropout_prob, kept, n_tokens)
        loss = (tokenizer(images, kept).float() - images.float()).square().mean() / 4  # on [0, 1]
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

    def sample_grid(self) -> SampleGrid:
        """Return up to eight originals above the images of their tokens: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.validation), 8))
        return two_rows(self.validation[rows], self.image_tokenizer(self.validation[rows]))

"""Training of the visual words: squared error of the picture that comes back from them."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.training.parallel import Share
from lexipix.training.sample_grid import two_rows
from lexipix.training.tasks.vae import N_INITIAL


class ImageTokenizerTask:
    """Trains :class:`ImageTokenizer`.

    Args:
        image_tokenizer: The network; its linear maps are set here from a sample of the training pictures.
        images: Training pictures, uint8 (N, S, S, 3).
        validation: Validation pictures, likewise.
        learning_rate: Peak rate.
        cut_share: Share of the pictures that are to come back from the first words of each cell alone, so
            that the words go from coarse to fine (nested dropout; Rippel et al. 2014, arXiv 1402.0915).
        device: Where to train.
        share: Where batches are shared out.
    """

    def __init__(
        self,
        image_tokenizer: ImageTokenizer,
        images: Images,
        validation: Images,
        *,
        learning_rate: float,
        cut_share: float,
        device: torch.device,
        share: Share | None = None,
    ) -> None:
        self.share = share or Share()
        self.images, self.validation = ImageRows(images, device), ImageRows(validation, device)
        self.cut_share = cut_share
        sample = ImageRows(images, torch.device("cpu"))[torch.arange(min(len(images), N_INITIAL))]
        image_tokenizer.init_from_pca(sample)
        self.image_tokenizer = image_tokenizer
        self.modules: Mapping[str, torch.nn.Module] = {"image_tokenizer": image_tokenizer}
        self.averaged: Sequence[str] = ("image_tokenizer",)
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "image_tokenizer": torch.optim.AdamW(
                image_tokenizer.parameters(), learning_rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True
            )
        }
        self.n_rows = len(images)

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update towards pictures that come back as they were."""
        return self.share.update(self.optimizers["image_tokenizer"], lambda: self._losses(rows), clip=1.0)

    def _losses(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        own, words = self.share.own, self.image_tokenizer
        images = self.images[own(rows)]
        n_words = len(words.group_sizes)
        known = torch.randint(1, max(2, n_words), (len(rows),))
        known = own(torch.where(torch.rand(len(rows)) < self.cut_share, known, n_words))
        of_word = torch.arange(n_words).repeat_interleave(torch.tensor(words.group_sizes))
        counts = (of_word < known[:, None])[..., None, None].to(images.device)
        back = words.decode(words.quantize(words.encode(images)) * counts)
        loss = (back.float() - images.float()).square().mean() / 4  # on [0, 1]
        return loss, {"loss": loss}

    def reconstruct(self, rows: Tensor) -> Tensor:
        """Validation pictures by way of all their words."""
        back: Tensor = self.image_tokenizer(self.validation[rows])
        return back

    def validate(self) -> dict[str, float]:
        """Mean per-image PSNR of up to 512 validation pictures, and that of their first words alone."""
        rows = torch.arange(min(len(self.validation), N_VALIDATION))
        images = self.validation[rows]
        figures = {}
        for known in range(1, len(self.image_tokenizer.group_sizes) + 1):
            back = self.image_tokenizer(images, known).float().clamp(-1, 1)
            figures[f"psnr_of_{known}"] = float(batch_psnr(back, images).mean())
        psnr = figures.pop(f"psnr_of_{len(self.image_tokenizer.group_sizes)}")
        return {"objective": -psnr, "psnr": psnr, **figures}

    def sheet(self) -> NDArray[np.uint8]:
        """Up to eight originals above what their words give: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.validation), 8))
        return two_rows(self.validation[rows], self.reconstruct(rows))

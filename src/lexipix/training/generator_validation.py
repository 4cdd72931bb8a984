"""Validation of models that draw from captions: the same figures and sheet for the prior and the GAN."""

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.image_encoder import ImageEncoder
from lexipix.training.sample_grid import two_rows

N_CANDIDATES = 64
N_SHOWN = 16


class GeneratorValidation:
    """Draws from validation captions and compares with the pictures they belong to.

    Args:
        images: Validation pictures, uint8 (N, S, S, 3).
        captions: Their wordings.
        groups: int (N,): equal numbers mark equal captions.
        encoder: Image encoder of the contrastive pair. It takes part in training, so its figure steers and is
            never reported as a result.
        device: Where to draw.

    Attributes:
        watch: Told of each part of the drawings, in order: their rows (B,), their vectors in the contrastive
            space (B, V), and those of their captions.
    """

    watch: Callable[[Tensor, Tensor, Tensor], None] | None = None

    def __init__(
        self,
        images: Images,
        captions: CaptionRows,
        groups: NDArray[np.int64],
        encoder: ImageEncoder,
        device: torch.device,
    ) -> None:
        self.images, self.captions = ImageRows(images, device), captions
        self.groups, self.encoder, self.device = torch.from_numpy(groups), encoder.to(device).eval(), device

    def draw(self, model: ConditionalGenerator, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures (B, 3, S, S) from the canonical captions of the rows, and the captions' vectors (B, V)."""
        reading = model.encode_text(self.captions.primary(rows))
        noise = torch.randn(len(rows), model.noise_dim, device=self.device)
        return model.decode(reading, noise).float().clamp(-1, 1), reading.embedding.float()

    def figures(self, model: ConditionalGenerator) -> dict[str, float]:
        """Figures on up to 512 rows.

        Returns:
            ``psnr`` to the real picture; ``alignment``, the share of drawings whose own caption is the
            nearest of 64; ``sharpness``, mean absolute step between neighbouring pixels against that of real
            pictures (1 is as sharp); ``objective``, minus ``psnr``.
        """
        psnr, found, steps = [], [], torch.zeros(2)
        for rows in torch.arange(min(len(self.images), N_VALIDATION)).split(N_CANDIDATES):
            real = self.images[rows]
            fake, vectors = self.draw(model, rows)
            psnr.append(batch_psnr(fake, real))
            drawn = self.encoder(fake).embedding.float()
            nearest = (drawn @ vectors.T).argmax(1).cpu()
            if self.watch is not None:
                self.watch(rows, drawn, vectors)
            found.append(self.groups[rows][nearest] == self.groups[rows])
            for i, images in enumerate((fake, real)):
                steps[i] += (images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()).cpu()
        mean_psnr = float(torch.cat(psnr).mean())
        return {
            "objective": -mean_psnr,
            "psnr": mean_psnr,
            "alignment": float(torch.cat(found).float().mean()),
            "sharpness": float(steps[0] / steps[1]),
        }

    def sheet(self, model: ConditionalGenerator) -> NDArray[np.uint8]:
        """Up to sixteen validation pictures above what their captions give: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.images), N_SHOWN))
        return two_rows(self.images[rows], self.draw(model, rows)[0])

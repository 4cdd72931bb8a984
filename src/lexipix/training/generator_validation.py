"""Validation of conditional generators: the same metrics and samples for the prior, the GAN and tokens."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import N_VALIDATION, ImageRows, Images, batch_psnr, to_uint8
from lexipix.metrics.artifacts import flat_ripple
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.image_encoder import ImageEncoder
from lexipix.training.losses.contrastive import CONTRASTIVE_SCALE
from lexipix.training.sample_grid import two_rows

N_CANDIDATES = 64
N_SHOWN = 16


class GeneratorValidation:
    """Generates images from validation captions and compares them with the real ones, uint8 (N, S, S, 3).

    Equal numbers in ``groups``, int (N,), mark equal captions. The encoder of the contrastive pair takes part
    in training, so its metrics guide the training and are never reported as a result.
    """

    def __init__(
        self, images: Images, captions: CaptionRows, groups: NDArray[np.int64], encoder: ImageEncoder
    ) -> None:
        self.images, self.captions = ImageRows(images, captions.device), captions
        self.groups, self.encoder = torch.from_numpy(groups), encoder.to(captions.device).eval()
        self._embedded: list[tuple[Tensor, Tensor, Tensor]] = []  # rows; vectors of images and captions
        self._real_failure_rates: Tensor | None = None

    def generate(self, model: ConditionalGenerator, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return images (B, 3, S, S) of the primary captions of the rows, and caption embeddings (B, V)."""
        encoding = model.encode_text(self.captions.primary(rows))
        noise = torch.randn(len(rows), model.noise_dim, device=self.captions.device)
        return model.decode(encoding, noise).float().clamp(-1, 1), encoding.embedding.float()

    def metrics(self, model: ConditionalGenerator) -> dict[str, float]:
        """Return metrics on up to 512 rows.

        ``psnr`` is that to the real image, ``alignment`` the fraction of generated images whose own caption
        is the nearest of 64, as a share of that of real images, ``similarity`` the mean cosine of the vectors
        of generated and real image, ``flat_ripple`` that of :mod:`lexipix.metrics.artifacts`, and
        ``sharpness`` the mean absolute step between neighboring pixels relative to that of real images (1 is
        as sharp).
        """
        self._embedded = []
        psnr, cosines, steps = list[Tensor](), list[Tensor](), torch.zeros(2)
        found, found_real = list[Tensor](), list[Tensor]()
        pixels: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        for rows in torch.arange(min(len(self.images), N_VALIDATION)).split(N_CANDIDATES):
            real = self.images[rows]
            fake, captions = self.generate(model, rows)
            psnr.append(batch_psnr(fake, real))
            embedded = self.encoder(fake).embedding.float()
            self._embedded.append((rows, embedded, captions))
            own = self.encoder(real).embedding.float()
            for vectors, hits in ((embedded, found), (own, found_real)):
                nearest = (vectors @ captions.T).argmax(1).cpu()
                hits.append(self.groups[rows][nearest] == self.groups[rows])
            cosines.append((embedded * own).sum(1))
            pixels.append((to_uint8(fake), to_uint8(real)))
            for i, images in enumerate((fake, real)):
                steps[i] += (images.diff(dim=-1).abs().mean() + images.diff(dim=-2).abs().mean()).cpu()
        mean_psnr = float(torch.cat(psnr).mean())
        of_real = max(float(torch.cat(found_real).float().mean()), 1 / len(self.images))
        drawn, given = (np.concatenate(part) for part in zip(*pixels, strict=True))
        return {
            "objective": -mean_psnr,
            "psnr": mean_psnr,
            "alignment": float(torch.cat(found).float().mean()) / of_real,
            "similarity": float(torch.cat(cosines).mean()),
            "flat_ripple": flat_ripple(drawn, given) or 0.0,
            "sharpness": float(steps[0] / steps[1]),
        }

    @torch.no_grad()
    def failure_rates(self) -> tuple[Tensor, Tensor]:
        """Return the probability that an image is taken for another caption's: (M,) each.

        The images are those that :meth:`metrics` generated last, and the real ones of the same rows.
        """
        generated = torch.cat([self._failures(*part) for part in self._embedded])
        if self._real_failure_rates is None:
            real = [
                self._failures(rows, self.encoder(self.images[rows]).embedding.float(), captions)
                for rows, _, captions in self._embedded
            ]
            self._real_failure_rates = torch.cat(real)
        return generated, self._real_failure_rates

    def _failures(self, rows: Tensor, images: Tensor, captions: Tensor) -> Tensor:
        groups = self.groups[rows]
        own = (CONTRASTIVE_SCALE * images @ captions.T).softmax(1).cpu()
        return 1 - (own * (groups[:, None] == groups[None])).sum(1)

    def sample_grid(self, model: ConditionalGenerator) -> NDArray[np.uint8]:
        """Return up to 16 validation images above the images of their captions: uint8 (height, width, 3)."""
        rows = torch.arange(min(len(self.images), N_SHOWN))
        return two_rows(self.images[rows], self.generate(model, rows)[0])


class GeneratorData(NamedTuple):
    """Captioned training images, as those of the validation, and the validation."""

    images: Images
    captions: CaptionRows
    groups: NDArray[np.int64]
    validation: GeneratorValidation

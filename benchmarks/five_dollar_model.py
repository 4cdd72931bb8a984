"""The Five-Dollar Model, a small text-to-image model for sprites, as its paper describes it.

Merino, Negri, Rajesh, Charity and Togelius, AIIDE 2023, arXiv 2308.04052: a sentence vector and five numbers
of noise become a 4x4 grid, three residual blocks of 7x7 convolutions with nearest-neighbour upsampling
follow, and a 9x9 convolution chooses one of 16 colors for each pixel; the loss is the cross-entropy. Here the
palette is that of the folder by k-means, the sentence vector that of the features stage, and larger images
have a further block, because the paper's are 16 pixels wide.
"""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from torch import Tensor, nn
from torch.nn import functional as F

COLORS, NOISE, WIDTH, BATCH = 16, 5, 128, 64
PALETTE_PIXELS = 50_000


class ResidualBlock(nn.Module):
    """Two 7x7 convolutions with batch norm and a shortcut."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 7, padding=3), nn.ReLU(), nn.BatchNorm2d(WIDTH),
            nn.Conv2d(WIDTH, WIDTH, 7, padding=3), nn.ReLU(), nn.BatchNorm2d(WIDTH),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.body(x))


class FiveDollarModel(nn.Module):
    """Sentence vectors (B, D) and noise (B, 5) to logits of palette colors (B, 16, S, S)."""

    def __init__(self, embed_dim: int, image_size: int) -> None:
        super().__init__()
        self.project = nn.Linear(embed_dim + NOISE, 4 * 4 * WIDTH)
        blocks: list[nn.Module] = []
        size = 4
        while size < image_size:
            blocks += [ResidualBlock(), nn.Upsample(scale_factor=2.0, mode="nearest")]
            size *= 2
        self.blocks = nn.Sequential(*blocks)
        self.proj_out = nn.Conv2d(WIDTH, COLORS, 9, padding=4)

    def forward(self, vectors: Tensor, noise: Tensor) -> Tensor:
        grid = self.project(torch.cat([vectors, noise], dim=1)).unflatten(1, (WIDTH, 4, 4))
        logits: Tensor = self.proj_out(self.blocks(grid))
        return logits


class FiveDollarGenerator:
    """A model and its palette, trained for some seconds on images, uint8 (N, S, S, C), of vectors (N, D)."""

    def __init__(self, images: NDArray[np.uint8], vectors: Tensor, seconds: float, seed: int) -> None:
        torch.manual_seed(seed)
        rng = np.random.default_rng(seed)
        pixels = images.reshape(-1, images.shape[-1])
        sample = pixels[rng.choice(len(pixels), min(PALETTE_PIXELS, len(pixels)), replace=False)]
        self.kmeans = KMeans(COLORS, n_init=1, random_state=seed).fit(sample.astype(np.float32))
        self.palette = self.kmeans.cluster_centers_.round().astype(np.uint8)
        self.model = FiveDollarModel(vectors.shape[1], images.shape[1])
        optimizer = torch.optim.Adam(self.model.parameters(), 5e-4)
        began, self.images_seen = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            rows = torch.from_numpy(rng.integers(0, len(images), BATCH))
            target = torch.from_numpy(self.indices(images[rows.numpy()]))
            logits = self.model(vectors[rows], torch.randn(BATCH, NOISE))
            optimizer.zero_grad()
            F.cross_entropy(logits, target).backward()
            optimizer.step()
            self.images_seen += BATCH
        self.model.eval()

    def indices(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """The nearest palette color of each pixel, (N, S, S)."""
        flat = images.reshape(-1, images.shape[-1]).astype(np.float32)
        labels: NDArray[np.int64] = self.kmeans.predict(flat).reshape(images.shape[:-1]).astype(np.int64)
        return labels

    @torch.inference_mode()
    def draw(self, vectors: Tensor) -> NDArray[np.uint8]:
        """An image of each vector (N, D), uint8 (N, S, S, C); the same noise for each."""
        noise = torch.randn(NOISE, generator=torch.Generator().manual_seed(0))
        parts = [self.model(some, noise.expand(len(some), -1)).argmax(1) for some in vectors.split(BATCH)]
        pixels: NDArray[np.uint8] = self.palette[torch.cat(parts).numpy()]
        return pixels

    @property
    def size_mb(self) -> float:
        """Of the weights in fp32."""
        return sum(weight.numel() for weight in self.model.parameters()) * 4 / 1e6

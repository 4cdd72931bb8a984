"""The editor: chooses among the images that a caption retrieved, and changes one into what it asks for.

What it draws is a copy at first: every pixel is a mixture of the same pixel of the retrieved images, and the
first of them has nearly all of the weight. On top come a change of colors, which varies slowly over the image
(after HDRnet, Gharbi et al. 2017, arXiv 1707.02880), and a correction of each pixel; both start at zero.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import ModulatedConv, zero_init
from lexipix.models.vae import GRID

COPY_BIAS = 4.0  # logit of the first image's pixels at the start: a share of 0.95 among four
PIXEL_FEATURES, PIXEL_WIDTH = 12, 32  # channels of the correction, at the images' own resolution
RANK_WIDTH = 128  # of the hidden layer that ranks retrieved images
# Weight of the MLP's score outside of training. With weight 1 the ranking prefers images that look similar
# over images that fit the caption.
RANK_SHARE = 0.25
SIMILARITY_SCALE = 8.0  # initial weight of the memory's similarity in the ranking


class Editor(nn.Module):
    """A caption and the images that it retrieved to logits of these, and to one new image.

    A caption is its unit vector, of ``embed_dim`` numbers, and its set of words, of which the editor has
    vectors of its own: one word can ask for another color, and hardly moves the vector of a whole caption.
    """

    def __init__(
        self,
        image_size: int,
        image_channels: int,
        vocabulary: int,
        pad_id: int,
        embed_dim: int,
        n_neighbors: int,
        width: int,
        depth: int,
    ) -> None:
        super().__init__()
        self.image_channels, self.n_neighbors, self.patch = image_channels, n_neighbors, image_size // GRID
        patch_dim = image_channels * self.patch**2
        self.vector_scale = embed_dim**0.5  # unit vectors to unit variance
        self.words = nn.Embedding(vocabulary, width, padding_idx=pad_id)
        self.words.weight.data.mul_(0.3)
        self.similarity_scale = nn.Parameter(torch.tensor(SIMILARITY_SCALE))
        self.rank_mlp = nn.Sequential(
            nn.Linear(4 * embed_dim + 2 * width + 1, RANK_WIDTH),
            nn.GELU(),
            zero_init(nn.Linear(RANK_WIDTH, 1, bias=False)),
        )
        self.condition = nn.Sequential(
            nn.Linear(3 * embed_dim + 2 * width, 2 * width), nn.SiLU(), nn.Linear(2 * width, width), nn.SiLU()
        )
        self.embed, self.embed_first = nn.Conv2d(patch_dim, width, 1), nn.Conv2d(patch_dim, width, 1)
        self.modulation = nn.Linear(width, 2 * width)
        self.relevance = nn.Conv2d(width, 1, 1)
        self.grid_bias = nn.Parameter(torch.randn(width, GRID, GRID) * 0.1)
        self.blocks = nn.ModuleList(ModulatedConv(width, width) for _ in range(depth))
        n_colors = image_channels * (image_channels + 1)
        self.local_colors = zero_init(nn.Conv2d(width, n_colors, 1))
        self.colors = zero_init(nn.Linear(width, n_colors))
        self.pixels = nn.Conv2d(width, self.patch**2 * (n_neighbors + PIXEL_FEATURES), 1)
        self.pixel_modulation = nn.Linear(width, 2 * PIXEL_WIDTH)
        self.pixel_in = nn.Conv2d(2 * image_channels + PIXEL_FEATURES, PIXEL_WIDTH, 3, padding=1)
        self.pixel_out = zero_init(nn.Conv2d(PIXEL_WIDTH, image_channels, 1))

    def rank(
        self,
        query: Tensor,
        words: Tensor,
        keys: Tensor,
        key_words: Tensor,
        vectors: Tensor,
        similarities: Tensor,
    ) -> Tensor:
        """Logits (B, N) of retrieved images: which is most like the one that the caption describes.

        Args:
            query: As for :meth:`forward`.
            words: As for :meth:`forward`.
            keys: As for :meth:`forward`, of N images.
            key_words: As for :meth:`forward`, of N images.
            vectors: Unit vectors of the images, (B, N, D).
            similarities: As the memory found them, (B, N).
        """
        embeddings, differences = self._compare(query, words, keys, key_words)
        parts = [embeddings, self.vector_scale * vectors, differences, similarities[..., None]]
        features = torch.cat(parts, dim=-1)
        share = 1.0 if self.training else RANK_SHARE
        return torch.add(self.similarity_scale * similarities, share * self.rank_mlp(features).squeeze(-1))

    def forward(
        self, query: Tensor, words: Tensor, keys: Tensor, key_words: Tensor, images: Tensor
    ) -> Tensor:
        """Draw an image of a caption, (B, C, S, S), about [-1, 1] and not clamped.

        Args:
            query: Unit vector of the caption, (B, D).
            words: Its tokens, (B, L).
            keys: Vectors of the captions of K retrieved images, (B, K, D), of the image to edit first.
            key_words: Their tokens, (B, K, M).
            images: The retrieved images in [-1, 1], (B, K, C, S, S).
        """
        compared = self._compare(query, words, keys, key_words)
        conditions = self.condition(torch.cat(compared, dim=-1))  # (B, K, W)
        scale, shift = self.modulation(conditions.flatten(0, 1))[..., None, None].chunk(2, dim=1)
        cells = F.silu(self._of_patches(self.embed, images.flatten(0, 1)) * (1 + scale) + shift)
        relevance = _softmax(self.relevance(cells).unflatten(0, keys.shape[:2]))
        cells = cells.unflatten(0, keys.shape[:2])
        first = self._of_patches(self.embed_first, images[:, 0])
        x = (cells * relevance).sum(1) + cells[:, 0] + first + self.grid_bias
        for block in self.blocks:
            x = block(x, conditions[:, 0])
        return self._draw(x, conditions[:, 0], images)

    def _compare(
        self, query: Tensor, words: Tensor, keys: Tensor, key_words: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Captions beside those of retrieved images: vectors (B, K, 3 D) and words (B, K, 2 W)."""
        own, theirs = self._bag(words)[:, None].expand(-1, keys.shape[1], -1), self._bag(key_words)
        wanted = query[:, None].expand_as(keys)
        embeddings = self.vector_scale * torch.cat([wanted, keys, wanted - keys], dim=-1)
        return embeddings, torch.cat([own - theirs, own], dim=-1)

    def _bag(self, words: Tensor) -> Tensor:
        """The sum of the vectors of words (..., L): (..., W)."""
        total: Tensor = self.words(words).sum(-2)
        return total

    def _of_patches(self, embed: nn.Conv2d, images: Tensor) -> Tensor:
        """A linear map of each patch of images (B, C, S, S): (B, W, 8, 8).

        As a convolution with a stride it needs no transposition, which takes longer in ONNX Runtime.
        """
        weight = embed.weight.view(-1, self.image_channels, self.patch, self.patch)
        return F.conv2d(images, weight, embed.bias, stride=self.patch)

    def _draw(self, x: Tensor, condition: Tensor, images: Tensor) -> Tensor:
        """Mix, recolor and correct ``images`` (B, K, C, S, S) as ``x`` (B, W, 8, 8) says."""
        logits, features = F.pixel_shuffle(self.pixels(x), self.patch).split(
            [self.n_neighbors, PIXEL_FEATURES], dim=1
        )
        shares = _softmax(torch.cat([logits[:, :1] + COPY_BIAS, logits[:, 1:]], dim=1))
        drawn = (images * shares.unsqueeze(2)).sum(1)  # (B, C, S, S)
        colors = self.local_colors(x) + self.colors(condition)[..., None, None]
        colors = F.interpolate(colors, scale_factor=float(self.patch), mode="bilinear")
        colors = colors.unflatten(1, (self.image_channels, self.image_channels + 1))
        drawn = drawn + (colors[:, :, :-1] * drawn.unsqueeze(1)).sum(2) + colors[:, :, -1]
        scale, shift = self.pixel_modulation(condition)[..., None, None].chunk(2, dim=1)
        hidden = self.pixel_in(torch.cat([drawn, images[:, 0], features], dim=1))
        return torch.add(drawn, self.pixel_out(F.silu(hidden * (1 + scale) + shift)))


def _softmax(logits: Tensor) -> Tensor:
    """The softmax over dimension 1, for whose own form ONNX Runtime would transpose."""
    weights = (logits - logits.amax(1, keepdim=True).detach()).exp()
    return weights / weights.sum(1, keepdim=True)

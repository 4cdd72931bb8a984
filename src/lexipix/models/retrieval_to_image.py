"""The text-to-image model of folders: captions retrieve training images, and a network edits them."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.blocks import shrink
from lexipix.models.conditional_generator import ConditionalGenerator
from lexipix.models.editor import Editor
from lexipix.models.neighbor_memory import MAX_SIMILARITY, SAME_LOGIT, NeighborMemory, Neighbors
from lexipix.models.text_encoder import BagOfFeatures, TextEncoder, text_encoder_from_config

SAME_IMAGE_SHARE = 0.1  # of a training batch that retrieves its own images, which must stay as they are
# How much each likeness of two images counts for the ranking, and the temperature of the sum. The cosine of
# the contrastive pair's vectors counts most: pixels alone prefer small dark images, edges alone one style.
VECTOR_WEIGHT, EDGE_WEIGHT, PIXEL_WEIGHT, TEMPERATURE = 6.0, 2.0, 1.25, 0.3

OUTLINES_SIDE = 32  # pixels at which images are compared: shapes need no more
OUTLINES_BATCH = 256


class Retrieved(NamedTuple):
    """A batch of captions with the N images that each retrieved, in the order of their rows."""

    embedding: Tensor  # unit vector of each caption, (B, D)
    words: Tensor  # its tokens, int64 (B, L)
    rows: Tensor  # of the images in the memory, int64 (B, N)
    similarities: Tensor  # (B, N)
    keys: Tensor  # vectors of the images' captions, (B, N, D)
    key_words: Tensor  # their tokens, (B, N, M)
    vectors: Tensor  # of the images, (B, N, D)


class Outlines(NamedTuple):
    """What images of the memory are compared by in training."""

    images: Tensor  # from :func:`shrink`, float16 (N, C, s, s)
    edges: Tensor  # from :func:`edges_of`, (N, E)


class RetrievalEncoding(NamedTuple):
    """A batch of captions with images to choose from; names as for :class:`Retrieved`."""

    embedding: Tensor
    words: Tensor
    rows: Tensor
    scores: Tensor  # of the images, to which noise is added, (B, N)
    keys: Tensor
    key_words: Tensor


class RetrievalToImage(ConditionalGenerator):
    """Text encoder, memory of the training images, and editor.

    The noise chooses among the images that fit a caption about equally well: it has one number for each of
    the ``noise_dim`` retrieved images, and ``temperature`` times these are added to their scores.
    """

    kind = "retrieval_to_image"

    def __init__(
        self,
        text_encoder: TextEncoder | BagOfFeatures,
        editor: Editor,
        memory: Mapping[str, Tensor],
        *,
        image_size: int,
        noise_dim: int,
        temperature: float,
        min_edge_similarity: float,
        pad_id: int,
    ) -> None:
        super().__init__()
        self.text_encoder, self.editor, self.pad_id = text_encoder, editor, pad_id
        self.temperature, self.min_edge_similarity = temperature, min_edge_similarity
        self._shape, self._noise_dim = (image_size, image_size, editor.image_channels), noise_dim
        for name, values in memory.items():
            self.register_buffer(f"memory_{name}", values)
        self._memory: NeighborMemory | None = None
        self._outlines: Outlines | None = None
        self._found: dict[tuple[int, bytes], tuple[NDArray[np.int64], NDArray[np.float32]]] = {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Self:
        """Build the model with random weights and an empty memory of the right size."""
        memory = {
            name: torch.zeros(shape, dtype=getattr(torch, dtype))
            for name, (shape, dtype) in config["memory"].items()
        }
        text_encoder = text_encoder_from_config(config["text_encoder"])
        return cls(text_encoder, Editor(**config["editor"]), memory, **config["retrieval"])

    @property
    def noise_dim(self) -> int:
        return self._noise_dim

    @property
    def memory(self) -> NeighborMemory:
        """The images and their captions, as the weights hold them."""
        if self._memory is None:
            arrays = {
                name.removeprefix("memory_"): values.cpu().numpy()
                for name, values in self.named_buffers(recurse=False)
            }
            self._memory = NeighborMemory(arrays, self._shape)
        return self._memory

    def train(self, mode: bool = True) -> "RetrievalToImage":
        """Set the mode of the editor; the text encoder stays in evaluation mode."""
        super().train(mode)
        self.text_encoder.eval()
        return self

    def unfreeze(self) -> list[nn.Parameter]:
        self.requires_grad_(False)
        self.editor.requires_grad_(True)
        return list(self.editor.parameters())

    def encode_text(self, ids: Tensor) -> RetrievalEncoding:
        found = self.retrieve(ids)
        return RetrievalEncoding(*found[:3], self.score(found), *found[4:6])

    def encode_for_training(
        self, ids: Tensor, rows: Tensor, images: Tensor
    ) -> tuple[RetrievalEncoding, Tensor]:
        found = self.retrieve(ids, exclude=rows)
        return self.training_pairs(found, self.score(found), rows, images)[:2]

    def training_pairs(
        self, found: Retrieved, scores: Tensor, rows: Tensor, images: Tensor
    ) -> tuple[RetrievalEncoding, Tensor, Tensor]:
        """Build the editor's inputs and targets for one training step.

        Half of the images start from the retrieved image with the most similar edges, so that the editor
        learns from pairs of one shape; the others from one of the best scores; a tenth from themselves, which
        must stay as they are. Where the edges of the two differ too much the target is the retrieved image
        itself: the mean of all possible results would be blurred.

        Args:
            found: What captions of the images retrieved, without the images themselves.
            scores: From :meth:`score`.
            rows: Those of the images among the training images, (B,).
            images: What the captions describe, (B, C, S, S) in [-1, 1].

        Returns:
            The encoding, the targets (B, C, S, S), and how alike image and retrieved images are, as shares
            (B, N), which the ranking learns.
        """
        n_images, n_found = found.rows.shape
        small, candidates = shrink(images, OUTLINES_SIDE), self._memory_outlines()
        alike = edge_similarities(small, candidates.edges[found.rows])
        likeness = self._likeness(found, candidates.images[found.rows].float(), alike, rows, small)
        uniform, noise = torch.rand(2, n_images, device=images.device), torch.rand_like(alike)
        likely = (scores.detach() - (-noise.clamp_min(1e-9).log()).log()).argmax(1)  # a sample of the softmax
        first = torch.where(uniform[0] < 0.5, alike.argmax(1), likely)
        each = torch.arange(n_images, device=images.device)
        is_alike = alike[each, first] >= self.min_edge_similarity
        copies = self._images(found.rows[each, first][:, None])[:, 0]
        target = torch.where(is_alike[:, None, None, None], images, copies)
        own, is_known = self._rows_of(rows)
        itself = (uniform[1] < SAME_IMAGE_SHARE) & is_known
        target = torch.where(itself[:, None, None, None], images, target)
        is_first = (torch.arange(n_found, device=images.device) == first[:, None]).float()
        order = (scores.detach().clamp(-1e4, 1e4) + 1e6 * is_first).argsort(dim=1, descending=True)
        chosen = found.rows.gather(1, order)
        keys, key_words = found.keys[each[:, None], order], found.key_words[each[:, None], order]
        chosen[:, 0] = torch.where(itself, own, chosen[:, 0])
        keys[:, 0] = torch.where(itself[:, None], found.embedding, keys[:, 0])
        length = min(found.words.shape[1], key_words.shape[2])
        same = F.pad(found.words[:, :length], (0, key_words.shape[2] - length), value=self.pad_id)
        key_words[:, 0] = torch.where(itself[:, None], same, key_words[:, 0])
        # Scores that no noise changes keep this order
        ranks = -1e6 * torch.arange(n_found, device=images.device).expand(n_images, -1).float()
        return RetrievalEncoding(*found[:2], chosen, ranks, keys, key_words), target, likeness

    def decode(self, encoding: RetrievalEncoding, noise: Tensor) -> Tensor:
        scores = encoding.scores + self.temperature * noise[:, : encoding.scores.shape[1]]
        chosen = scores.topk(min(self.editor.n_neighbors, scores.shape[1]), dim=1).indices
        missing = self.editor.n_neighbors - chosen.shape[1]  # of a folder with few images: the last one again
        chosen = torch.cat([chosen, chosen[:, -1:].expand(-1, missing)], dim=1)
        each = torch.arange(len(chosen), device=chosen.device)[:, None]
        images = self._images(encoding.rows[each, chosen]).to(encoding.embedding)
        keys, key_words = encoding.keys[each, chosen], encoding.key_words[each, chosen]
        drawn: Tensor = self.editor(encoding.embedding, encoding.words, keys, key_words, images)
        return drawn

    @torch.no_grad()
    def retrieve(self, ids: Tensor, exclude: Tensor | None = None) -> Retrieved:
        """Retrieve images for captions ``ids`` (B, L), but no training image of the rows ``exclude`` (B,)."""
        device = ids.device
        with torch.autocast(device.type, enabled=False):
            embedding = self.text_encoder(ids, ids != self.pad_id)
        words = self.memory.word_sets(ids.cpu().numpy())
        found = self._search(words, embedding.float().cpu().numpy(), exclude)
        rows, similarities, keys, key_words, vectors = (torch.from_numpy(part).to(device) for part in found)
        return Retrieved(
            embedding,
            torch.from_numpy(words).to(device),
            rows,
            similarities.to(embedding),
            keys.to(embedding),
            key_words,
            vectors.to(embedding),
        )

    def _search(
        self, words: NDArray[np.int64], query: NDArray[np.float32], exclude: Tensor | None
    ) -> Neighbors:
        """The memory's result; that of a training caption, which comes back in every epoch, is kept."""
        n_found = max(1, min(self.noise_dim, len(self.memory) - (exclude is not None)))
        if exclude is None:
            return self.memory.search(words, query, n_found)
        numbers = exclude.cpu().numpy()
        texts = [text[text != self.pad_id].tobytes() for text in words]
        names = list(zip(numbers.tolist(), texts, strict=True))
        new = [row for row, name in enumerate(names) if name not in self._found]
        if new:
            found = self.memory.search(words[new], query[new], n_found, numbers[new])
            kept = zip(found.rows, found.similarities, strict=True)
            self._found |= dict(zip([names[row] for row in new], kept, strict=True))
        rows, similarities = zip(*(self._found[name] for name in names), strict=True)
        return self.memory.described(np.stack(rows), np.stack(similarities))

    def rank(self, found: Retrieved) -> Tensor:
        """Logits (B, N) of retrieved images, which learn how alike these are to what captions describe."""
        embedding, words, _, similarities, keys, key_words, vectors = found
        limited = similarities.clamp_max(MAX_SIMILARITY)
        return self.editor.rank(embedding, words, keys, key_words, vectors, limited)

    def score(self, found: Retrieved) -> Tensor:
        """Logits (B, N) with the images of the same caption before all others."""
        return prefer_same(found, self.rank(found))

    def _likeness(
        self, found: Retrieved, candidates: Tensor, alike: Tensor, rows: Tensor, images: Tensor
    ) -> Tensor:
        """How alike images (B, C, s, s) and their candidates (B, N, C, s, s) are, as shares (B, N)."""
        own, is_known = self._rows_of(rows)
        vectors = torch.from_numpy(self.memory.image_keys[own.cpu().numpy()]).to(found.vectors)
        cosines = (found.vectors * (vectors * is_known[:, None])[:, None]).sum(-1)
        errors = (candidates - images[:, None]).square().mean((2, 3, 4))
        total = VECTOR_WEIGHT * cosines + EDGE_WEIGHT * alike - PIXEL_WEIGHT * errors
        return (total / TEMPERATURE).softmax(1)

    def _rows_of(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Rows in the memory of training images (B,), and whether it has them."""
        own, is_known = map(torch.from_numpy, self.memory.rows_of(rows.cpu().numpy()))
        device = self.editor.grid_bias.device
        return own.to(device), is_known.to(device)

    def _memory_outlines(self) -> Outlines:
        """Those of all images of the memory, computed once: training compares with them in every step."""
        if self._outlines is None:
            parts = torch.arange(len(self.memory)).split(OUTLINES_BATCH)
            small = [shrink(self._images(rows[:, None])[:, 0], OUTLINES_SIDE) for rows in parts]
            device = self.editor.grid_bias.device
            with torch.autocast("cpu", enabled=False):  # it joins no halves
                images = torch.cat([part.half() for part in small])
                edges = torch.cat([*map(edges_of, small)])
            self._outlines = Outlines(images.to(device), edges.to(device))
        return self._outlines

    def _images(self, rows: Tensor) -> Tensor:
        """Images of the memory by rows (B, N), in [-1, 1]: (B, N, C, S, S)."""
        return neighbor_images(torch.from_numpy(self.memory.images[rows.cpu().numpy()]).to(rows.device))


def neighbor_images(pixels: Tensor) -> Tensor:
    """Retrieved images, uint8 (B, N, S, S, C), as the editor takes them: (B, N, C, S, S) in [-1, 1]."""
    return pixels.permute(0, 1, 4, 2, 3).float() / 127.5 - 1


def prefer_same(found: Retrieved, logits: Tensor) -> Tensor:
    """Put images with the same caption before all others; logits are those of ``found``, (B, N)."""
    return logits + SAME_LOGIT * (found.similarities > MAX_SIMILARITY)


def edge_similarities(images: Tensor, candidates: Tensor) -> Tensor:
    """Correlations (B, N) of the edges of images (B, C, S, S) with those of candidates, (B, N, E)."""
    return torch.sum(candidates * edges_of(images)[:, None], dim=-1)


def edges_of(images: Tensor) -> Tensor:
    """Edges of images (B, C, S, S) as vectors (B, E) of unit length and mean zero.

    Colors are compared over white, and alpha by itself, so that shapes count and not what they are filled
    with. Neighboring pixels are averaged: edges that are a pixel apart still meet.
    """
    if images.shape[1] == 4:
        images = torch.cat([images[:, :3] - images[:, 3:], images[:, 3:]], dim=1)
    across, down = images.diff(dim=-1).abs().sum(1), images.diff(dim=-2).abs().sum(1)
    steps = across[:, :-1, :] + down[:, :, :-1]
    # At the border only what is inside counts: a frame that all images share would make them alike
    blurred = F.avg_pool2d(steps[:, None], 3, stride=1, padding=1, count_include_pad=False).flatten(1)
    return F.normalize(blurred - blurred.mean(1, keepdim=True), dim=1)


def memory_tensors(arrays: Mapping[str, np.ndarray]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The arrays of a memory as tensors, and their shapes and types for the model's configuration."""
    tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
    shapes = {
        name: [list(values.shape), str(values.dtype).removeprefix("torch.")]
        for name, values in tensors.items()
    }
    return tensors, shapes

"""The modules that are exported as graphs, with tensors as inputs and outputs."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.data.images import denormalize
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.decoding_step import FoldedCrossAttention, fold_cross_attention, next_token_logits
from lexipix.models.retrieval_to_image import RetrievalToImage, neighbor_images
from lexipix.models.text_encoder import BagOfFeatures, TextEncoder
from lexipix.models.text_prior import TextConditioning
from lexipix.models.text_to_image import TextToImage

PLAN = TextConditioning._fields


class ImageCells(nn.Module):
    """Maps images (B, 3, S, S) in [-1, 1] to the cells (B, cells, W) that the captioner attends to."""

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.captioner = captioner

    def forward(self, images: Tensor) -> Tensor:
        return self.captioner.encode_images(images)


class DecodingStep(nn.Module):
    """One decoding step of a language model with cross-attention to cells: the logits of the next token."""

    def __init__(self, captioner: Captioner) -> None:
        from transformers import GPT2LMHeadModel

        super().__init__()
        model = captioner.language_model
        assert isinstance(model, GPT2LMHeadModel)
        self.language_model = model
        for number, look in enumerate(fold_cross_attention(model)):
            for name, part in look._asdict().items():
                self.register_buffer(f"{name}_{number}", part.detach())
        heads, depth = model.config.n_head, model.config.n_layer
        self.memory = (2 * depth, heads, model.config.n_embd // heads)

    def forward(
        self, words: Tensor, position: Tensor, cells: Tensor, memory: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Maps the last tokens (B,), their position (1,), cells and memory to logits (B, V) and new memory.

        The start token's position is 0. The memory holds keys and values of the tokens before, by layer:
        (B, 2 layers, heads, position, W / heads).
        """
        model, kept = self.language_model, list[Tensor]()

        def remember(number: int, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
            places = enumerate((key, value), 2 * number)
            kept.extend(torch.cat([memory[:, place], new.unsqueeze(2)], 2) for place, new in places)
            return kept[-2], kept[-1]

        looks = [
            FoldedCrossAttention(
                *(getattr(self, f"{name}_{number}") for name in FoldedCrossAttention._fields)
            )
            for number in range(model.config.n_layer)
        ]
        states = model.transformer.wte(words) + model.transformer.wpe(position)
        logits = next_token_logits(model, looks, states, cells, remember)
        return logits.float(), torch.stack(kept, 1)


class PrefixDecodingStep(nn.Module):
    """One decoding step of a language model with the cells as a prefix.

    It maps the start token and the tokens so far (B, L), and cells, to logits (B, V). There is no key-value
    cache: every family of language models has its own format.
    """

    def __init__(self, captioner: Captioner) -> None:
        super().__init__()
        self.language_model = captioner.language_model

    def forward(self, ids: Tensor, cells: Tensor) -> Tensor:
        words = self.language_model.get_input_embeddings()(ids)
        together = torch.cat([cells.to(words.dtype), words], dim=1)
        mask = torch.ones_like(together[..., 0], dtype=torch.long)
        output = self.language_model(inputs_embeds=together, attention_mask=mask, use_cache=False)
        logits: Tensor = output.logits[:, -1]
        return logits.float()


class TextToConditioning(nn.Module):
    """Maps captions (B, L) to the parts of their encoding, each (B, …), without noise."""

    def __init__(self, network: TextToImage) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.network.condition(ids))


class ConditioningToImage(nn.Module):
    """Maps noise (B, Z) and encoded captions to images (B, 3, S, S), and the same as uint8 (B, S, S, 3)."""

    def __init__(self, network: TextToImage) -> None:
        super().__init__()
        self.network = network

    def forward(self, noise: Tensor, grid: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        images = self.network.decode_conditioning(TextConditioning(grid, context), noise)
        return images, denormalize(images)


class NeighborsToScores(nn.Module):
    """Maps captions and the images that they retrieved to scores (B, N); arguments as for ``Editor.rank``."""

    def __init__(self, network: RetrievalToImage) -> None:
        super().__init__()
        self.editor = network.editor

    def forward(
        self,
        query: Tensor,
        words: Tensor,
        keys: Tensor,
        key_words: Tensor,
        vectors: Tensor,
        similarities: Tensor,
    ) -> Tensor:
        return self.editor.rank(query, words, keys, key_words, vectors, similarities)


class NeighborsToImage(nn.Module):
    """Maps captions and the images that they retrieved to new images; arguments as for ``Editor``.

    The retrieved images are uint8 (B, K, S, S, C); the new ones are (B, C, S, S), and uint8 (B, S, S, C).
    """

    def __init__(self, network: RetrievalToImage) -> None:
        super().__init__()
        self.editor = network.editor

    def forward(
        self, query: Tensor, words: Tensor, keys: Tensor, key_words: Tensor, neighbors: Tensor
    ) -> tuple[Tensor, Tensor]:
        drawn = self.editor(query, words, keys, key_words, neighbor_images(neighbors))
        return drawn, denormalize(drawn)


class ImageEmbedding(nn.Module):
    """Maps images (B, 3, S, S) in [-1, 1] to unit vectors (B, D)."""

    def __init__(self, pair: ContrastivePair) -> None:
        super().__init__()
        self.encoder = pair.image_encoder

    def forward(self, images: Tensor) -> Tensor:
        vector: Tensor = self.encoder(images).embedding
        return vector


def text_embedding(encoder: TextEncoder | BagOfFeatures, pad: int) -> nn.Module:
    """A module that maps captions (B, L) to unit vectors (B, D)."""
    if isinstance(encoder, BagOfFeatures):
        return BagEmbedding(encoder, pad).eval()
    return TextEmbedding(encoder, pad).eval()


class TextEmbedding(nn.Module):
    """The transformer, without a mask as input."""

    def __init__(self, encoder: TextEncoder, pad: int) -> None:
        super().__init__()
        self.encoder, self.pad = encoder, pad

    def forward(self, ids: Tensor) -> Tensor:
        vector: Tensor = self.encoder(ids, ids != self.pad)
        return vector


class BagEmbedding(nn.Module):
    """The bag of features with vectors of 16 bits, and a sum that ONNX has an operator for."""

    table: Tensor

    def __init__(self, encoder: BagOfFeatures, pad: int) -> None:
        super().__init__()
        self.pad, self.bag = pad, encoder
        self.register_buffer("table", encoder.features.weight.detach().half())

    def forward(self, ids: Tensor) -> Tensor:
        known, rows = self.bag.known(ids, ids != self.pad)
        total = known.unsqueeze(1) @ F.embedding(rows, self.table).float()
        return self.bag.embed(total.squeeze(1), known)

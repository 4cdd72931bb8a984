"""The modules that are exported as graphs, with tensors as inputs and outputs."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from transformers import GPT2LMHeadModel

from lexipix.data.images import denormalize
from lexipix.models.captioner import Captioner
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.models.greedy import FoldedCrossAttention, fold_cross_attention, next_token_logits
from lexipix.models.text_prior import TextConditioning
from lexipix.models.text_to_image import TextToImage

PLAN = TextConditioning._fields


class Part(nn.Module):
    """A computation with a network, or a part of it, as a module of its own.

    Args:
        compute: Maps tensors to a tensor or a tuple of tensors.
        network: The modules that it uses; their names begin the names of the weights in the graph.
    """

    def __init__(self, compute: Callable[..., Tensor | tuple[Tensor, ...]], **network: nn.Module) -> None:
        super().__init__()
        for name, module in network.items():
            self.add_module(name, module)
        self._compute = compute

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self._compute(*inputs)


def read_part(model: TextToImage) -> Part:
    """Maps captions (B, L) to the parts of their encoding that there are, each (B, …), without noise."""
    return Part(lambda ids: tuple(part for part in model.condition(ids) if part is not None), network=model)


def draw_part(model: TextToImage) -> Part:
    """Maps noise (B, Z) and encoded captions to images (B, 3, S, S), and the same as uint8 (B, S, S, 3)."""

    def draw(
        noise: Tensor, grid: Tensor, context: Tensor, mean_latents: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        images = model.decode_conditioning(TextConditioning(grid, context, mean_latents), noise)
        return images, denormalize(images)

    return Part(draw, network=model)


def image_part(pair: ContrastivePair) -> Part:
    """Maps images (B, 3, S, S) in [-1, 1] to unit vectors (B, D)."""
    return Part(lambda images: pair.image_encoder(images).embedding, encoder=pair.image_encoder)


def text_part(pair: ContrastivePair, pad: int) -> Part:
    """Maps captions (B, L) to unit vectors (B, D)."""
    return Part(lambda ids: pair.text_encoder(ids, ids != pad), encoder=pair.text_encoder)


def prefix_step(captioner: Captioner) -> Part:
    """Maps the start token and the tokens so far (B, L), and cells as a prefix, to logits (B, V).

    There is no key-value cache: every family of language models has its own format.
    """
    model = captioner.language_model

    def step(ids: Tensor, cells: Tensor) -> Tensor:
        words = model.get_input_embeddings()(ids)
        together = torch.cat([cells.to(words.dtype), words], dim=1)
        mask = torch.ones_like(together[..., 0], dtype=torch.long)
        output = model(inputs_embeds=together, attention_mask=mask, use_cache=False)
        logits: Tensor = output.logits[:, -1]
        return logits.float()

    return Part(step, language_model=model)


class NextWord(nn.Module):
    """One decoding step of a language model with cross-attention to cells: the logits of the next token."""

    def __init__(self, captioner: Captioner) -> None:
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

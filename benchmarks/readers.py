"""Ways to read a caption, each in the language model's place: what benchmarks/language_model.py compares.

A reader is a part of the prior here, so that an optimizer, an average of weights and a checkpoint that hold
the prior hold it, too, whether it learns or not.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.models.captioner import Captioner
from lexipix.models.language_model import language_model_from_config
from lexipix.models.text_encoder import TextEncoder, masked_mean
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder
from lexipix.training.tasks.prior import PriorTask
from lexipix.utils.seeding import seeded


@dataclass(frozen=True)
class Arm:
    """What stands in the language model's place.

    Attributes:
        weights: The captioner's; a language model of the same shape with random ones; a table of the words
            alone, which knows no order; or nothing.
        learns: Whether it is trained along with the prior.
        layers: Whose states are read: the last layer's, as the product does, or those of all, side by side.
        told: Weight of what the captioner loses when it is to write the captions from the drawn pictures.
    """

    weights: Literal["captioner", "random", "words", "none"]
    learns: bool = False
    layers: Literal["last", "all"] = "last"
    told: float = 0.0


# The first four are the question; the others say where an answer comes from, and what else could help: other
# layers' states, or the captioner as a judge of what is drawn.
ARMS = {
    "frozen": Arm("captioner"),
    "finetuned": Arm("captioner", learns=True),
    "random": Arm("random", learns=True),
    "bag": Arm("words", learns=True),
    "random-frozen": Arm("random"),
    "layers": Arm("captioner", layers="all"),
    "none": Arm("none"),
    "told": Arm("captioner", told=0.1),
    "none-told": Arm("none", told=0.1),
}


Beside = Literal["contrastive", "solved", "nothing"]
RIDGE = 1e-2  # of the standardised states' mean square


class Words(NamedTuple):
    """A batch of captions before a language model has read it.

    Attributes:
        ids: (B, L).
        mask: bool (B, L), true where there is a token.
        states: The contrastive text encoder's, (B, L, W).
        vector: Its unit vectors, (B, V).
    """

    ids: Tensor
    mask: Tensor
    states: Tensor
    vector: Tensor


class Reader(nn.Module):
    """The states of an arm's language model, or of its table of words.

    Args:
        arm: Which.
        captioner: Whose language model is copied or imitated.
        seed: Of random weights.
    """

    def __init__(self, arm: Arm, captioner: Captioner, seed: int) -> None:
        super().__init__()
        self.arm = arm
        config = captioner.language_model.config
        size = config.get_text_config()
        self.width = size.hidden_size
        with seeded(seed):
            if arm.weights == "captioner":
                self.network: nn.Module = copy.deepcopy(captioner.language_model.base_model)
            elif arm.weights == "random":
                self.network = language_model_from_config(config.to_dict()).base_model
            else:
                self.network = nn.Embedding(size.vocab_size, self.width)
        if arm.layers == "all":
            self.width *= size.num_hidden_layers + 1
        if arm.weights == "none":
            self.width = 0

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        """States (B, L, width) of captions ``ids`` (B, L); ``mask`` is true where there is a token."""
        if self.arm.weights == "none":
            return torch.zeros(*ids.shape, 0, device=ids.device)
        if self.arm.weights == "words":
            table: Tensor = self.network(ids)
            return table
        learns = torch.is_grad_enabled() and self.arm.learns
        with torch.set_grad_enabled(learns), torch.autocast(ids.device.type, enabled=False):
            read = self.network(
                input_ids=ids, attention_mask=mask.long(), use_cache=False, output_hidden_states=True
            )
        states: Tensor = read.hidden_states[-1]
        if self.arm.layers == "last":
            return states
        return torch.cat([F.layer_norm(layer, layer.shape[-1:]) for layer in read.hidden_states], dim=-1)


class SentenceVector(nn.Module):
    """A reader's states to a vector of the caption in the space of pictures, by a linear map that is solved.

    Args:
        reader: As it is before the training; one that learns is copied, since the map is solved for that.
        embed_dim: Length of the pictures' vectors.
    """

    def __init__(self, reader: Reader, embed_dim: int) -> None:
        super().__init__()
        self.reader = copy.deepcopy(reader) if reader.arm.learns else None
        self.map = nn.Linear(2 * reader.width, embed_dim)

    @torch.no_grad()
    def forward(self, states: Tensor, words: Words) -> Tensor:
        """Unit vectors (B, V) from the reader's ``states`` (B, L, W) of :class:`Words`."""
        with torch.autocast(states.device.type, enabled=False):
            return F.normalize(self.map(self.describe(states, words)), dim=-1)

    def describe(self, states: Tensor, words: Words) -> Tensor:
        """Mean and maximum of the states, (B, 2W), as the contrastive text encoder takes them."""
        if self.reader is not None:
            states = self.reader(words.ids, words.mask)
        highest = states.masked_fill(~words.mask.unsqueeze(-1), -1e4).amax(1)
        return torch.cat([masked_mean(states, words.mask), highest], dim=1).float()

    @torch.no_grad()
    def solve(self, described: Tensor, vectors: Tensor) -> None:
        """Ridge regression of pictures' vectors (N, V) on what :meth:`describe` gave for captions (N, 2W)."""
        mean, scale = described.double().mean(0), described.double().std(0) + 1e-6
        x = (described.double() - mean) / scale
        target = vectors.double().mean(0)
        square = x.T @ x / len(x) + RIDGE * torch.eye(x.shape[1], dtype=torch.float64)
        solution = torch.linalg.solve(square, x.T @ (vectors.double() - target) / len(x)).T / scale
        self.map.weight.copy_(solution)
        self.map.bias.copy_(target - solution @ mean)


class ReadingPrior(TextPrior):
    """A text prior with a reader of its own.

    Args:
        reader: See :class:`Reader`.
        beside: Where the caption's vector comes from: the contrastive text encoder, whose states are then
            read beside the reader's; a map of the reader's own states that is solved; or nowhere.
        encoder_width: Of the contrastive text encoder's states.
        **sizes: As for :class:`TextPrior`.
    """

    def __init__(self, reader: Reader, beside: Beside, encoder_width: int, **sizes: Any) -> None:
        super().__init__(text_width=reader.width + encoder_width * (beside == "contrastive"), **sizes)
        self.reader, self.beside = reader, beside
        self.sentence = SentenceVector(reader, sizes["embed_dim"]) if beside == "solved" else None

    def set_trainable(self, trainable: bool) -> None:
        """As ever, but for a reader that stays as it is."""
        super().set_trainable(trainable)
        self.reader.requires_grad_(trainable and self.reader.arm.learns)
        if self.sentence is not None:
            self.sentence.requires_grad_(False)

    def answer(self, words: Words, noise: Tensor) -> Tensor:
        """Latents (B, C, 8, 8) for captions and noise (B, noise_dim)."""
        states, vector = self.reader(words.ids, words.mask), words.embedding
        if self.beside == "contrastive":
            states = torch.cat([states, words.states], dim=-1)
        elif self.sentence is not None:
            vector = self.sentence(states, words)
        else:
            vector = torch.zeros_like(vector)
        latents: Tensor = self(states, words.mask, vector, noise)
        return latents


class ReadingModel(TextToImage):
    """A text-to-image model whose prior reads; :meth:`read` only takes what the text encoder says."""

    prior: ReadingPrior
    latest: Tensor  # latents

    def __init__(self, text_encoder: TextEncoder, prior: ReadingPrior, decoder: Decoder, pad_id: int) -> None:
        super().__init__(None, text_encoder, prior, decoder, pad_id)

    def read(self, ids: Tensor) -> Any:
        """The captions ``ids`` (B, L) as :class:`Words`."""
        mask = ids != self.pad_id
        with torch.autocast(ids.device.type, enabled=False):
            return Words(ids, mask, *self.text_encoder.encode(ids, mask))

    def latents(self, reading: Any, noise: Tensor) -> Tensor:
        """Latents (B, C, 8, 8) from :class:`Words` and noise (B, Z)."""
        self.latest = self.prior.answer(reading, noise)
        return self.latest


class ToldPriorTask(PriorTask):
    """Trains a prior whose pictures the captioner must be able to describe.

    Args:
        captioner: Stays as it is.
        told: Weight of its loss.
        **others: As for :class:`PriorTask`.
    """

    def __init__(self, captioner: Captioner, told: float, *others: Any, **named: Any) -> None:
        super().__init__(*others, **named)
        self.captioner, self.told = captioner.eval().requires_grad_(False), told
        if told:
            self.modules = {**self.modules, "captioner": captioner}

    def _losses(self, rows: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        loss, figures = super()._losses(rows)
        if not self.told:
            return loss, figures
        cells = self.captioner.encode_images(self.model.decoder(self.model.latest))
        told = self.captioner.loss(self.captions.primary(self.share.own(rows)), cells)
        return loss + self.told * told, {**figures, "told": told}


def grouped(optimizer: torch.optim.Optimizer, reader: Reader, share: float) -> torch.optim.Optimizer:
    """The same optimizer with the reader's weights in a group of their own, at a share of the rate."""
    own = {id(weight) for weight in reader.parameters()}
    settings = {key: value for key, value in optimizer.defaults.items() if key in _SETTINGS}
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    groups = [
        {"params": [weight for weight in weights if id(weight) not in own]},
        {"params": [weight for weight in weights if id(weight) in own], "lr": share * settings["lr"]},
    ]
    return type(optimizer)([group for group in groups if group["params"]], **settings)


_SETTINGS = ("lr", "betas", "eps", "weight_decay", "fused")

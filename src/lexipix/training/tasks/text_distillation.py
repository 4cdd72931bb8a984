"""Teaching a small text encoder what a trained text-to-image model makes of each word of a caption.

Every word is a lesson of its own, where a picture is one for all of them together: 20 seconds of it teach
what pictures alone had not taught in two minutes (docs/models.md).
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import N_VALIDATION
from lexipix.models.text_to_image import TextToImage
from lexipix.utils.progress import track

AT_ONCE = 64  # captions that the teacher reads together


class Heard(NamedTuple):
    """Captions as a model understands them.

    Attributes:
        ids: int32 (N, L), padded.
        words: What each word means there, float16 (N, L, W).
        vectors: Of the captions, float32 (N, V), of unit length.
    """

    ids: Tensor
    words: Tensor
    vectors: Tensor


def understand(model: TextToImage, ids: Tensor) -> tuple[Tensor, Tensor]:
    """What a model makes of captions ``ids`` (B, L): words (B, L, W) and vectors (B, V)."""
    reading = model.encode_text(ids)
    return model.prior.encode_tokens(reading.hidden_states, reading.mask).float(), reading.embedding.float()


@torch.no_grad()
def hear(
    teacher: TextToImage,
    captions: CaptionRows,
    n: int,
    canonical_share: float,
    name: str,
    device: torch.device,
) -> Heard:
    """Read out ``n`` captions in random wordings, each once if there are so many pictures.

    Args:
        teacher: Reads, where it is; in evaluation mode.
        captions: Wordings of pictures.
        n: How many.
        canonical_share: Share in their first wording.
        name: Shown beside the progress bar.
        device: Where the teacher is, and the lessons go.
    """
    heard: list[tuple[Tensor, Tensor, Tensor]] = []
    for rows in track(torch.arange(n).split(AT_ONCE), n, f"{name}: reading", "captions", len):
        ids = captions.sample(rows % len(captions), canonical_share)
        words, vectors = understand(teacher, ids)
        heard.append((ids.int(), words.half(), vectors))
    longest = max(ids.shape[1] for ids, _, _ in heard)
    return Heard(
        torch.cat([F.pad(ids, (0, longest - ids.shape[1]), value=captions.pad_id) for ids, _, _ in heard]),
        torch.cat([F.pad(words, (0, 0, 0, longest - words.shape[1])) for _, words, _ in heard]),
        torch.cat([vectors for _, _, vectors in heard]),
    )


class TextDistillationTask:
    """Trains a student's text encoder, and what turns its states into words, to say what a teacher says.

    Args:
        student: A model without a language model, whose words are as wide as the teacher's.
        heard: What the teacher makes of captions.
        validation: The same of captions for the figures.
        learning_rate: Peak rate.
    """

    def __init__(
        self, student: TextToImage, heard: Heard, validation: Heard, *, learning_rate: float
    ) -> None:
        self.student, self.heard, self.validation = student, heard, validation
        student.requires_grad_(False)
        learning = [student.text_encoder, student.prior.proj_in, student.prior.text_norm]
        for module in learning:
            module.requires_grad_(True)
        self.modules: Mapping[str, torch.nn.Module] = {"student": student}
        self.averaged: Sequence[str] = ("student",)
        self.weights = [weight for module in learning for weight in module.parameters()]
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "reader": torch.optim.AdamW(
                self.weights, learning_rate, betas=(0.9, 0.98), weight_decay=0.01, fused=True
            )
        }
        self.n_rows = len(heard.ids)
        told = heard.words[heard.ids != student.pad_id].float()
        self.variance = float(told.var(0).mean())

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update towards what the teacher makes of some captions."""
        unexplained, apart = self._errors(self.heard, rows)
        loss = unexplained + apart
        self.optimizers["reader"].zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizers["reader"].step()
        return {"loss": loss, "unexplained": unexplained}

    def validate(self) -> dict[str, float]:
        """How near the reader is on up to 512 captions.

        Returns:
            ``unexplained``: share of the variance of the teacher's words that the student's leave;
            ``vector_cosine``: of the captions' vectors; ``objective``, of both.
        """
        errors = [
            torch.stack(self._errors(self.validation, rows))
            for rows in torch.arange(min(N_VALIDATION, len(self.validation.ids))).split(AT_ONCE)
        ]
        unexplained, apart = torch.stack(errors).mean(0).tolist()
        return {"objective": unexplained + apart, "unexplained": unexplained, "vector_cosine": 1 - apart}

    def sheet(self) -> None:
        """There is nothing to be seen."""

    def _errors(self, heard: Heard, rows: Tensor) -> tuple[Tensor, Tensor]:
        ids = heard.ids[rows]
        longest = int((ids != self.student.pad_id).sum(1).max())
        ids = ids[:, :longest].long()
        words, vectors = understand(self.student, ids)
        told = (ids != self.student.pad_id).unsqueeze(-1)
        square = (words - heard.words[rows, :longest].float()).square() * told
        unexplained = square.sum() / (told.sum() * words.shape[-1] * self.variance)
        return unexplained, 1 - (vectors * heard.vectors[rows]).sum(1).mean()

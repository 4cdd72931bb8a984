"""Distillation of the text encoding: a small text encoder regresses what a trained model makes of each token.

Twenty seconds of it teach a student more than two minutes of training on images, which give one target for a
caption instead of one for each token (docs/how-it-works/compression.md).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import N_VALIDATION
from lexipix.models.text_to_image import TextToImage
from lexipix.training.muon import Muon
from lexipix.training.tasks.base import Metrics, NetworkTask
from lexipix.utils.progress import track

AT_ONCE = 64  # captions of the teacher in one batch


class EncodedCaptions(NamedTuple):
    """Captions as a model encodes them."""

    ids: Tensor  # int32 (N, L), padded
    hidden_states: Tensor  # hidden state of each token in the text prior, float16 (N, L, W)
    embeddings: Tensor  # caption embeddings, float32 (N, V), of unit length


def encode_words(model: TextToImage, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Return the prior's hidden states (B, L, W) and the embeddings (B, V) of captions ``ids`` (B, L)."""
    hidden_states, mask, embedding = model.encode_text(ids)
    return model.prior.encode_tokens(hidden_states, mask).float(), embedding.float()


@torch.no_grad()
def encode_captions(
    teacher: TextToImage, captions: CaptionRows, n: int, primary_caption_prob: float, name: str
) -> EncodedCaptions:
    """Return ``n`` captions as the teacher, in evaluation mode, encodes them, each once if there are as many.

    Each is the primary caption with ``primary_caption_prob``, otherwise any paraphrase.
    """
    parts: list[tuple[Tensor, Tensor, Tensor]] = []
    for rows in track(torch.arange(n).split(AT_ONCE), n, name, "captions", size=len):
        ids = captions.sample(rows % len(captions), primary_caption_prob)
        words, vectors = encode_words(teacher, ids)
        parts.append((ids.int(), words.half(), vectors))
    longest = max(ids.shape[1] for ids, _, _ in parts)
    return EncodedCaptions(
        torch.cat([F.pad(ids, (0, longest - ids.shape[1]), value=captions.pad_id) for ids, _, _ in parts]),
        torch.cat([F.pad(words, (0, 0, 0, longest - words.shape[1])) for _, words, _ in parts]),
        torch.cat([vectors for _, _, vectors in parts]),
    )


class TextDistillationTask(NetworkTask):
    """Trains a student's text encoder, and its projection into the prior, to encode captions as a teacher.

    The student has no language model, and a prior as wide as the teacher's.
    """

    def __init__(
        self,
        student: TextToImage,
        targets: EncodedCaptions,
        validation: EncodedCaptions,
        *,
        learning_rate: float,
    ) -> None:
        student.requires_grad_(False)
        trained = [student.text_encoder, student.prior.proj_in, student.prior.text_norm]
        for module in trained:
            module.requires_grad_(True)
        weights = [weight for module in trained for weight in module.parameters()]
        optimizer = Muon(student, [{"params": weights}], learning_rate, 0.98, 0.01)
        super().__init__("student", student, optimizer, len(targets.ids))
        self.student, self.targets, self.validation = student, targets, validation
        self.variance = float(targets.hidden_states[targets.ids != student.pad_id].float().var(0).mean())

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        unexplained, distance = self._errors(self.targets, rows)
        loss = unexplained + distance
        return loss, {"loss": loss, "unexplained": unexplained}

    def validate(self) -> dict[str, float]:
        """Return the distance to the teacher on up to 512 captions.

        ``unexplained`` is the fraction of the variance of the teacher's hidden states that the student's
        leave; ``vector_cosine`` compares the caption embeddings.
        """
        errors = [
            torch.stack(self._errors(self.validation, rows))
            for rows in torch.arange(min(N_VALIDATION, len(self.validation.ids))).split(AT_ONCE)
        ]
        unexplained, distance = torch.stack(errors).mean(0).tolist()
        return {
            "objective": unexplained + distance,
            "unexplained": unexplained,
            "vector_cosine": 1 - distance,
        }

    def _errors(self, targets: EncodedCaptions, rows: Tensor) -> tuple[Tensor, Tensor]:
        ids = targets.ids[rows]
        longest = int((ids != self.student.pad_id).sum(1).max())
        ids = ids[:, :longest].long()
        words, vectors = encode_words(self.student, ids)
        is_token = (ids != self.student.pad_id).unsqueeze(-1)
        square = (words - targets.hidden_states[rows, :longest].float()).square() * is_token
        unexplained = square.sum() / (is_token.sum() * words.shape[-1] * self.variance)
        return unexplained, 1 - (vectors * targets.embeddings[rows]).sum(1).mean()

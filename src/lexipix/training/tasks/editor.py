"""Training of the editor: a retrieved image becomes what the caption describes, if both have one shape."""

import torch
from torch import Tensor

from lexipix.config.generator import PriorParameters
from lexipix.data.images import ImageRows, random_hflip
from lexipix.models.retrieval_to_image import RetrievalToImage, prefer_same
from lexipix.training.generator_validation import GeneratorData
from lexipix.training.tasks.base import Metrics, NetworkTask, SampleGrid, adamw

EDGE_WEIGHT = 0.5  # of the error of differences between neighboring pixels: edges stay sharp
RANKING_WEIGHT = 0.04  # of the cross-entropy between scores and likeness of retrieved images


class EditorTask(NetworkTask):
    """Trains the editor of a :class:`RetrievalToImage` with the absolute error of pixels and of edges."""

    def __init__(
        self,
        model: RetrievalToImage,
        data: GeneratorData,
        parameters: PriorParameters,
        flip: bool,
    ) -> None:
        self.model, self.flip, self.primary_caption_prob = model, flip, parameters.primary_caption_prob
        model.requires_grad_(False).eval()
        model.editor.train().requires_grad_(True)
        training = parameters.training
        optimizer = adamw(model.editor.parameters(), training.learning_rate, 0.98, 0.02)
        super().__init__(
            "editor", model.editor, optimizer, len(data.images), training.gradient_accumulation_steps
        )
        self.modules = {"editor": model.editor, "text_encoder": model.text_encoder}
        self.images, self.captions = ImageRows(data.images, data.captions.device), data.captions
        self.validation = data.validation

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        images = self.images[rows]
        if self.flip:
            images = random_hflip(images, torch.rand(len(rows)))
        found = self.model.retrieve(self.captions.sample(rows, self.primary_caption_prob), exclude=rows)
        logits = self.model.rank(found)
        with torch.no_grad():
            scores = prefer_same(found, logits)
            encoding, target, likeness = self.model.training_pairs(found, scores, rows, images)
        drawn = self.model.decode(encoding, torch.zeros_like(scores)).float()
        error = (drawn - target).abs().mean()
        edges = (drawn.diff(dim=-1) - target.diff(dim=-1)).abs().mean()
        edges = edges + (drawn.diff(dim=-2) - target.diff(dim=-2)).abs().mean()
        ranking = -(likeness * logits.log_softmax(1)).sum(1).mean()
        loss = error + EDGE_WEIGHT * edges + RANKING_WEIGHT * ranking
        return loss, {"loss": loss, "pixel_loss": error, "ranking_loss": ranking}

    def validate(self) -> dict[str, float]:
        return self.validation.metrics(self.model)

    def sample_grid(self) -> SampleGrid:
        return self.validation.sample_grid(self.model)

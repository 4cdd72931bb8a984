"""Training of the classifier that evaluates generated images, and its predictions."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.config.evaluation import ClassifierParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import ImageRows, Images, random_hflip, random_shift
from lexipix.models.classifier import Classifier
from lexipix.training.bundles import load_network
from lexipix.training.muon import Muon
from lexipix.training.precision import Precision
from lexipix.training.tasks.base import Metrics, NetworkTask
from lexipix.utils.types import ModelBundle

Numbers = NDArray[np.int64]
SHIFT = 2  # pixels
LABEL_SMOOTHING = 0.1
MAX_VALIDATION = 2_000


class ClassifierTask(NetworkTask):
    """Trains a :class:`Classifier` on images, uint8 (N, S, S, 3), and the numbers of their classes, int (N,).

    The weights of convolutions and head decay. Images are mirrored only where no class is a side.
    """

    grad_clip = None

    def __init__(
        self,
        classifier: Classifier,
        images: Images,
        numbers: Numbers,
        validation: tuple[Images, Numbers],
        parameters: ClassifierParameters,
        device: torch.device,
    ) -> None:
        weights = list(classifier.parameters())
        groups: list[dict[str, Any]] = [
            {"params": [w for w in weights if w.ndim > 1]},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]
        optimizer = Muon(classifier, groups, parameters.training.learning_rate, 0.99, parameters.weight_decay)
        super().__init__("classifier", classifier, optimizer, len(images))
        self.classifier, self.flip = classifier, parameters.flip
        self.images, self.numbers = ImageRows(images, device), torch.from_numpy(numbers).to(device)
        self.val_images, self.val_numbers = ImageRows(validation[0], device), torch.from_numpy(validation[1])
        classifier.train()

    def losses(self, rows: Tensor, progress: float) -> tuple[Tensor, Metrics]:
        numbers = self.numbers[rows.to(self.numbers.device)]
        images = self.augment(self.images[rows])
        logits = self.classifier(images.contiguous(memory_format=torch.channels_last)).float()
        loss = F.cross_entropy(logits, numbers, label_smoothing=LABEL_SMOOTHING)
        return loss, {"loss": loss, "accuracy": (logits.argmax(1) == numbers).float().mean()}

    def augment(self, images: Tensor) -> Tensor:
        """Return images (B, C, S, S), each shifted by its own draw and perhaps mirrored."""
        images = random_shift(images, SHIFT, border="reflect")
        return random_hflip(images, torch.rand(len(images))) if self.flip else images

    def validate(self) -> dict[str, float]:
        """Return cross-entropy and accuracy on up to 2,000 validation images."""
        rows = torch.arange(min(len(self.val_images), MAX_VALIDATION))
        logits = torch.cat([self.classifier(self.val_images[some]).float().cpu() for some in rows.split(250)])
        numbers = self.val_numbers[rows]
        return {
            "objective": float(F.cross_entropy(logits, numbers)),
            "accuracy": float((logits.argmax(1) == numbers).float().mean()),
        }


def classify(bundle: ModelBundle, images: Images, run: RunParameters, batch_size: int) -> Numbers:
    """Return the predicted class of each image: int64 (N,).

    A classifier that was trained on mirrored images averages over each image and its mirror image. It runs in
    the precision that it was trained in, on the device of the run.
    """
    precision = Precision.from_name(str(bundle.card["metrics"]["precision"]), run)
    classifier = load_network(bundle, Classifier)
    precision.prepare({"classifier": classifier})
    rows, predicted = ImageRows(images, precision.device), []
    with torch.inference_mode(), precision.autocast():
        for some in torch.arange(len(images)).split(batch_size):
            batch = rows[some]
            logits = classifier(batch).float()
            if bundle.config["flip"]:
                logits = logits + classifier(batch.flip(-1)).float()
            predicted.append(logits.argmax(1).cpu().numpy())
    return np.concatenate(predicted)

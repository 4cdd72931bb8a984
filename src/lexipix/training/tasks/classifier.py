"""Training of the classifier that judges drawn pictures, and its answers."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from lexipix.config.run import RunParameters
from lexipix.data.images import ImageRows, Images, normalize, random_hflip, random_shift
from lexipix.models.classifier import Classifier
from lexipix.training.bundles import load_network
from lexipix.training.precision import Precision
from lexipix.utils.types import ModelBundle

Numbers = NDArray[np.int64]
SHIFT = 2  # pixels
LABEL_SMOOTHING = 0.1
MAX_VALIDATION = 2_000


def shift_each(images: Tensor, pixels: int, flip: bool) -> Tensor:
    """Move each picture of a batch by its own random number of pixels, and mirror about half of them.

    Args:
        images: (B, C, S, S).
        pixels: At most so far in each direction; the border is reflected.
        flip: Whether pictures may be mirrored left to right.

    Returns:
        The same shape, channels last in memory.
    """
    moved = random_shift(images, pixels, border="reflect")
    if flip:
        moved = random_hflip(moved, torch.rand(len(images)))
    return moved.contiguous(memory_format=torch.channels_last)


class ClassifierTask:
    """Trains a :class:`Classifier`.

    Args:
        classifier: The network.
        images: Training pictures, uint8 (N, S, S, 3).
        numbers: Of their classes, int (N,).
        validation: Pictures and class numbers that a report looks at.
        learning_rate: Peak rate.
        weight_decay: Of the convolutions and the head.
        flip: Mirror pictures; only where no class is a side.
        device: Where to train.
    """

    def __init__(
        self,
        classifier: Classifier,
        images: Images,
        numbers: Numbers,
        validation: tuple[Images, Numbers],
        *,
        learning_rate: float,
        weight_decay: float,
        flip: bool,
        device: torch.device,
    ) -> None:
        self.classifier, self.flip = classifier, flip
        self.images, self.numbers = ImageRows(images, device), torch.from_numpy(numbers).to(device)
        self.val_images, self.val_numbers = ImageRows(validation[0], device), torch.from_numpy(validation[1])
        self.modules: Mapping[str, torch.nn.Module] = {"classifier": classifier}
        self.averaged: Sequence[str] = ("classifier",)
        weights = list(classifier.parameters())
        groups = [
            {"params": [w for w in weights if w.ndim > 1], "weight_decay": weight_decay},
            {"params": [w for w in weights if w.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizers: Mapping[str, torch.optim.Optimizer] = {
            "classifier": torch.optim.AdamW(groups, learning_rate, betas=(0.9, 0.99), fused=True)
        }
        self.n_rows = len(images)
        classifier.train()

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """One update on a batch of pictures, each moved by itself."""
        numbers = self.numbers[rows.to(self.numbers.device)]
        logits = self.classifier(shift_each(self.images[rows], SHIFT, self.flip)).float()
        loss = F.cross_entropy(logits, numbers, label_smoothing=LABEL_SMOOTHING)
        self.optimizers["classifier"].zero_grad()
        loss.backward()
        self.optimizers["classifier"].step()
        return {"loss": loss, "accuracy": (logits.argmax(1) == numbers).float().mean()}

    def validate(self) -> dict[str, float]:
        """Cross-entropy and accuracy on up to 2,000 validation pictures."""
        rows = torch.arange(min(len(self.val_images), MAX_VALIDATION))
        logits = torch.cat([self.classifier(self.val_images[some]).float().cpu() for some in rows.split(250)])
        numbers = self.val_numbers[rows]
        return {
            "objective": float(F.cross_entropy(logits, numbers)),
            "accuracy": float((logits.argmax(1) == numbers).float().mean()),
        }

    def sheet(self) -> None:
        """No picture tells more than the curve."""


def classify(bundle: ModelBundle, images: Images, run: RunParameters, batch_size: int) -> Numbers:
    """What a trained classifier takes pictures for.

    Where it was trained on mirrored pictures it looks at each and its mirror image, and both count alike. It
    looks in the precision that it was trained in.

    Args:
        bundle: A ``classifier``; its ``config.json`` says whether it knows mirrored pictures.
        images: uint8 (N, S, S, 3).
        run: Chooses the device.
        batch_size: Pictures at a time.

    Returns:
        int64 (N,), class numbers.
    """
    machine = Precision.from_name(str(bundle.card["figures"]["precision"]), run)
    classifier = load_network(bundle, Classifier)
    machine.prepare({"classifier": classifier})
    found = [np.zeros(0, np.int64)]
    with torch.inference_mode(), machine.autocast():
        for start in range(0, len(images), batch_size):
            rows = np.arange(start, min(start + batch_size, len(images)))
            batch = normalize(torch.from_numpy(np.array(images[rows])).to(machine.device))
            logits = classifier(batch).float()
            if bundle.config["flip"]:
                logits = logits + classifier(batch.flip(-1)).float()
            found.append(logits.argmax(1).cpu().numpy())
    return np.concatenate(found)

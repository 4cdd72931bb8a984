"""A training small enough to be run many times, with all that makes resuming hard; and its doubles."""

import copy

import numpy as np
import torch
from tests.support.parameters import section
from torch import nn

from lexipix.training.tasks.base import TrainingTask


class ListStream:
    """A metric stream that keeps everything; it can interrupt the training at a validation, like Ctrl-C."""

    def __init__(self, interrupt_at=None):
        self.rows, self.images, self.interrupt_at = [], [], interrupt_at

    def log(self, images_seen, values):
        self.rows.append((images_seen, dict(values)))
        if self.interrupt_at == len(self.rows):
            raise KeyboardInterrupt

    def image(self, key, images_seen, image):
        self.images.append((key, images_seen, image))


class MemoryCheckpoints:
    """A checkpoint store without files; what is loaded shares no memory with what was saved."""

    def __init__(self):
        self.kept, self.n_saved, self.n_cleared = None, 0, 0

    def save(self, tensors, meta):
        self.n_saved += 1
        self.kept = ({key: value.clone() for key, value in tensors.items()}, copy.deepcopy(dict(meta)))

    def load(self):
        return copy.deepcopy(self.kept)

    def clear(self):
        self.n_cleared += 1
        self.kept = None


class ToyTask(TrainingTask):
    """Regression with batch norm (buffers), noise (random numbers), two optimizers and a fixed weight."""

    def __init__(self, seed=0, learning_rate=0.05):
        generator = torch.Generator().manual_seed(seed)
        self.x = torch.randn(50, 4, generator=generator)
        self.y = self.x.sum(1, keepdim=True)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.body = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
            self.head, self.fixed = nn.Linear(8, 1), nn.Linear(8, 8)
        self.modules = {"body": self.body, "head": self.head, "fixed": self.fixed}
        self.averaged = ["body", "head", "fixed"]
        self.optimizers = {
            "body": torch.optim.AdamW(self.body.parameters(), learning_rate),
            "head": torch.optim.SGD(self.head.parameters(), learning_rate / 5, momentum=0.9),
        }
        self.n_rows = len(self.x)
        self.seen = []
        self.objectives = None  # a fixed list of validation objectives

    def predict(self, rows):
        return self.head(self.fixed(self.body(self.x[rows])))

    def step(self, rows, progress):
        self.seen.append(rows.tolist())
        noise = 0.1 * torch.randn(len(rows), 1)
        loss = (self.predict(rows) + noise - self.y[rows]).square().mean()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        loss.backward()
        for optimizer in self.optimizers.values():
            optimizer.step()
        return {"loss": loss, "progress": torch.tensor(progress)}

    def validate(self):
        if self.objectives is not None:
            return {"objective": self.objectives.pop(0)}
        loss = (self.predict(torch.arange(50)) - self.y).square().mean()
        return {"objective": loss.item(), "draw": float(torch.rand(()))}

    def sample_grid(self):
        return np.zeros((2, 2, 3), np.uint8)

    def weights(self):
        return {
            f"{name}.{key}": value.clone()
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }


def fast(**changes):
    """Give parameters of a training of forty steps with five validations."""
    return section(
        "generator.vae.training",
        {"num_images": 400, "batch_size": 10, "num_validations": 5} | changes,
    )


RUN = section("run", {"seed": 3, "precision": "fp32", "device": "cpu"})

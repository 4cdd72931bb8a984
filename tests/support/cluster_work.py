"""Work for the workers of a cluster, which import it."""

import time
from pathlib import Path

import numpy as np
import torch
from tests.support.parameters import section

from lexipix.training.builders.common import TrainingSetup
from lexipix.training.builders.vae import build_vae
from lexipix.utils.errors import LexipixError


def slow_square(number, folder, seconds=0.4):
    """Note each attempt, and take a while."""
    with Path(folder, "attempts").open("a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return np.full((1000, 10), number**2, np.int32)


def refuse(number):
    raise LexipixError(f"part {number} cannot be done: do another.")


def diverging_vae(run, image_splits):
    setup = build_vae(run, section("generator.vae"), image_splits)
    step = setup.task.step
    setup.task.step = lambda rows, progress: {
        key: value * torch.nan for key, value in step(rows, progress).items()
    }
    return setup


def slow_vae(run, parameters, image_splits, seconds):
    """A VAE whose steps take a while."""
    setup: TrainingSetup = build_vae(run, parameters, image_splits)
    step = setup.task.step

    def slow(rows, progress):
        time.sleep(seconds)
        return step(rows, progress)

    setup.task.step = slow
    return setup

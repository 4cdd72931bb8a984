"""Work for the workers of a cluster, which import it."""

import time
from pathlib import Path

import numpy as np
import torch

from lexipix.utils.errors import LexipixError


def slow_square(number, folder, seconds=0.4):
    """Note each attempt, and take a while."""
    with Path(folder, "attempts").open("a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return np.full((1000, 10), number**2, np.int32)


def refuse(number):
    raise LexipixError(f"part {number} cannot be done: do another.")


def diverging(build):
    """A training whose metrics are no numbers."""
    setup = build()
    step = setup.task.step
    setup.task.step = lambda rows, progress: {
        key: value * torch.nan for key, value in step(rows, progress).items()
    }
    return setup


def slowed(build, seconds):
    """A training whose steps take a while."""
    setup = build()
    step = setup.task.step

    def slow(rows, progress):
        time.sleep(seconds)
        return step(rows, progress)

    setup.task.step = slow
    return setup

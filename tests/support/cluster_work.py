"""Work for the workers of a cluster, which import it."""

import os
import time
from pathlib import Path

import numpy as np
import torch

from lexipix.metrics.speed import resident_mb
from lexipix.training import workers
from lexipix.training.embedding import _embed_rows
from lexipix.utils.errors import LexipixError


def slow_square(number, folder, seconds=0.4):
    """Note each attempt, and take a while."""
    with Path(folder, "attempts").open("a") as file:
        file.write(f"{number}\n")
    time.sleep(seconds)
    return np.full((1000, 10), number**2, np.int32)


def interrupted_by_the_first(number, folder):
    """Fail in the first part once another one is at work, which takes very long; each notes start and end."""
    if number == 0:
        while not list(Path(folder).glob("started-*")):
            time.sleep(0.05)
        refuse(number)
    Path(folder, f"started-{number}").write_text(str(os.getpid()))
    try:
        for _ in range(6000):  # an interrupt comes between two of them
            time.sleep(0.1)
    finally:
        Path(folder, f"ended-{number}").touch()


def environment(names):
    """Some variables of a worker's environment."""
    return [os.environ.get(name) for name in names]


def memory_of_embedding(rows, *arguments):
    """Embed a part as the features stage does; the memory of the worker afterwards, in MB."""
    assert len(_embed_rows(rows, *arguments)) == len(rows)
    return resident_mb("RssAnon")


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


def slowed(build, seconds, log):
    """A training whose steps take a while; each is noted with its progress and the number of workers."""
    setup = build()
    step = setup.task.step

    def slow(rows, progress):
        if workers.rank() == 0:
            with Path(log).open("a") as file:
                file.write(f"{progress} {workers.n_workers()}\n")
        time.sleep(seconds)
        return step(rows, progress)

    setup.task.step = slow
    return setup

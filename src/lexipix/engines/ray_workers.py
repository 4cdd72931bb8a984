"""How many workers a Ray cluster has room for, and how many of them train a model together."""

from collections.abc import Sequence
from dataclasses import dataclass

MIN_ROWS = 8  # of a batch for each worker: contrastive terms and batch norm need several images


@dataclass(frozen=True)
class Workers:
    """The workers of a cluster."""

    count: int
    cpus: int  # of each
    gpus: int


def share_machines(machines: Sequence[tuple[int, int]], wanted: int, gpus: int) -> Workers:
    """Return the workers of machines with so many (CPUs, GPUs): ``wanted``, or 0 for as many as have room.

    Each gets the most CPUs with which all of them have room; workers with ``gpus`` get one.

    >>> share_machines([(16, 0)] * 10, 12, 0)
    Workers(count=12, cpus=8, gpus=0)
    """

    def room(cpus: int) -> int:
        return sum(min(n // cpus, n_gpus // gpus if gpus else n) for n, n_gpus in machines)

    cpus = 1
    if wanted and not gpus:
        cpus = max(1, sum(n for n, _ in machines) // wanted)
        while cpus > 1 and room(cpus) < wanted:
            cpus -= 1
    return Workers(min(wanted or room(cpus), room(cpus)), cpus, gpus)


def n_training(batch_size: int, n_workers: int) -> int:
    """Return how many of some workers train together: the most that divide the batch, with enough rows each.

    >>> n_training(64, 7), n_training(64, 100), n_training(4, 4)
    (4, 8, 1)
    """
    most = min(n_workers, max(1, batch_size // MIN_ROWS))
    return max(n for n in range(1, most + 1) if batch_size % n == 0)

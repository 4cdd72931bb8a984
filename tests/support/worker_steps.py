"""What workers of a training do in tests, which import it in processes of their own."""

import torch
from torch import nn
from torch.nn import functional as F

from lexipix.training import workers
from lexipix.training.losses.contrastive import contrastive_loss
from lexipix.training.tasks.base import optimizer_step

ROWS = torch.arange(12)


def contrastive_weights(n_steps):
    """Two linear encoders after some steps on a batch of pairs, one of its captions twice."""
    generator = torch.Generator().manual_seed(4)
    images, texts = torch.randn(12, 5, generator=generator), torch.randn(12, 7, generator=generator)
    torch.manual_seed(1)
    network = nn.ModuleList([nn.Linear(5, 3), nn.Linear(7, 3)])
    groups = ROWS.clone()
    groups[3] = groups[8]
    optimizer = torch.optim.SGD(network.parameters(), 0.5)

    def losses(rows):
        pairs = network[0](images[rows]), network[1](texts[rows])
        found, wanted = (workers.gather(F.normalize(one, dim=1)) for one in pairs)
        numbers = workers.gather(groups[rows])
        loss = contrastive_loss(5 * found @ wanted.T, numbers[:, None] == numbers[None])
        return loss, {"loss": loss}

    metrics = []
    for _ in range(n_steps):
        step = optimizer_step(optimizer, losses, [workers.own_rows(ROWS)], clip=1.0)
        metrics.append(float(workers.mean(step)["loss"]))
    return [weight.tolist() for weight in network.parameters()], metrics


def accumulated_weights(rows_of_batches=None):
    """A regression in two micro-batches, of the worker's rows or of given ones; one leaves a layer out."""
    torch.manual_seed(1)
    first, second = nn.Linear(4, 4), nn.Linear(4, 1)
    inputs = torch.randn(12, 4, generator=torch.Generator().manual_seed(4))
    optimizer = torch.optim.AdamW([*first.parameters(), *second.parameters()], 0.1)

    def losses(batch):
        rows, is_whole = batch
        hidden = first(inputs[rows]) if is_whole else inputs[rows]
        loss = (second(hidden) - inputs[rows].sum(1, keepdim=True)).square().mean()
        return loss, {"loss": loss}

    own = workers.own_rows(ROWS)
    whole, part = rows_of_batches or (own[::2], own[1::2])
    for _ in range(3):
        optimizer_step(optimizer, losses, [(whole, True), (part, False)])
    return [weight.tolist() for weight in (*first.parameters(), *second.parameters())]


def talk():
    """What workers tell each other."""
    ids = torch.ones(2, 2 + workers.rank(), dtype=torch.int64)
    return (
        workers.rank(),
        workers.own_rows(ROWS).tolist(),
        workers.agreed(lambda: f"said by {workers.rank()}"),
        workers.gather_ids(ids, 0).tolist(),
        workers.gather(torch.full((1, 2), workers.rank() + 0.5, dtype=torch.bfloat16)).tolist(),
    )

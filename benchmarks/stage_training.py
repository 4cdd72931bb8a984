"""The training loop beside a bare PyTorch loop, and beside the time of its matrix products alone.

Both loops train copies of one network in one process. They alternate step by step on the same rows, both
with channels_last convolutions. The bare loop does only what is necessary: forward, loss, backward, clip,
step. lexipix also seeds, schedules, averages the weights and counts. Validation is not timed.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import torch
from record import REPOSITORY, Row
from shapes import seconds_allowed
from turns import comparison

from lexipix.cli.project_context import ProjectContext
from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.models.text_to_image import TextToImage
from lexipix.training.builders.generators import make_prior, make_vae
from lexipix.training.loop import train
from lexipix.training.parallel import Share
from lexipix.training.precision import Precision, step_flops
from lexipix.training.tasks.base import Task
from lexipix.training.tasks.prior import PriorTask
from lexipix.training.tasks.vae import VAETask, structural_dissimilarity, vae_loss

CPU = torch.device("cpu")
BARE_BAR, SHAPES_BAR = 0.95, 0.4
SET_UP = 3  # untimed steps: they count operations and allocate memory

BareStep = Callable[[torch.Tensor], None]


class NoRecords:
    """A metric stream and a checkpoint store that keep nothing."""

    def log(self, *_: Any) -> None:
        """Drop the metrics."""

    def image(self, *_: Any) -> None:
        """Drop the image."""

    def load(self) -> None:
        """Return no checkpoint."""

    def save(self, *_: Any) -> None:
        """Drop the checkpoint."""

    def clear(self) -> None:
        """Do nothing."""


class InTurns:
    """A task that runs a bare step before each of its own and times both, with the loop's overhead."""

    def __init__(self, task: Task, bare: BareStep) -> None:
        self.modules, self.averaged = task.modules, task.averaged
        self.optimizers, self.n_rows = task.optimizers, task.n_rows
        self.validate, self.sheet = task.validate, task.sheet
        self._task, self._bare = task, bare
        self._began: float | None = None
        self.ours: list[float] = []
        self.theirs: list[float] = []

    def step(self, rows: torch.Tensor, progress: float) -> dict[str, torch.Tensor]:
        """Run the bare step, then the task's; the time until the next call counts as the task's."""
        now = time.perf_counter()
        if self._began is not None:
            self.ours.append(now - self._began)
        self._bare(rows)
        self._began = time.perf_counter()
        self.theirs.append(self._began - now)
        return self._task.step(rows, progress)


def cpu_run(context: ProjectContext | None) -> RunParameters:
    """Return the run parameters of a context (None: of ``conf/base``), for fp32 on the CPU."""
    parameters = (context or ProjectContext(REPOSITORY, None)).parameters
    return parameters.run.model_copy(update={"device": "cpu", "precision": "fp32"})


def training(env: str | None, n_steps: int, repeats: int) -> list[Row]:
    """Return two rows for the VAE and two for the text prior of an environment."""
    context = ProjectContext(REPOSITORY, env)
    torch.manual_seed(0)
    rows = []
    for name, make in (("VAE", vae), ("text prior", prior)):
        task, parameters, bare = make(context)
        rows += beside(name, task, parameters, bare, n_steps, repeats)
    return rows


def beside(
    name: str,
    task: Task,
    parameters: TrainingParameters,
    bare: BareStep,
    n_steps: int,
    repeats: int,
) -> list[Row]:
    """Compare a task's training with its bare copy and with the time of its matrix products.

    Args:
        name: Of the model.
        task: As a stage trains it.
        parameters: Of that training; its length and validations are replaced.
        bare: A step of the copy.
        n_steps: Steps of each in a round.
        repeats: Rounds.
    """
    batch, run = parameters.batch_size, cpu_run(None)
    machine = Precision(CPU, False)
    machine.prepare(task.modules)
    flops = step_flops(task, batch, run, machine)
    paired = InTurns(task, bare)
    length = {"images": batch * (n_steps * repeats + SET_UP), "reports": 1, "checkpoint_seconds": 1e9}
    train(
        paired, parameters.model_copy(update=length), run, name=name, fingerprint="",
        stream=NoRecords(), checkpoints=NoRecords(),
    )  # fmt: skip
    rates = {
        who: [
            batch * n_steps / sum(taken[SET_UP + first : SET_UP + first + n_steps])
            for first in range(0, n_steps * repeats, n_steps)
        ]
        for who, taken in (("ours", paired.ours), ("theirs", paired.theirs))
    }
    found = torch.arange(batch)
    allowed = [batch / seconds_allowed(lambda: task.step(found, 0.5)) for _ in range(repeats)]
    ours, shapes = ([rate * flops / 1e9 for rate in some] for some in (rates["ours"], allowed))
    return [
        comparison(
            f"training of the {name}, batch {batch}", "images/s", rates["ours"],
            "bare PyTorch loop", rates["theirs"], BARE_BAR,
        ),
        comparison(
            f"training of the {name}, {flops / 1e6:,.0f} MFLOP per image", "GFLOP/s", ours,
            "its convolutions and matrix products alone", shapes, SHAPES_BAR,
        ),
    ]  # fmt: skip


def vae(context: ProjectContext) -> tuple[Task, TrainingParameters, BareStep]:
    """Return the VAE's task, its parameters and a step of its copy."""
    own = context.parameters.generator.vae
    made = make_vae(Share(), cpu_run(context), own, context.load("pictures"))
    task, network = made.task, made.network
    assert isinstance(task, VAETask)
    twin, optimizer = _twin(network, network.parameters(), task)

    def step(rows: torch.Tensor) -> None:
        images = task.images[rows]
        reconstruction, mean, logvar = twin(images)
        loss, _, _ = vae_loss(images, reconstruction, mean, logvar, own.decoder_variance)
        if own.structure_weight:
            loss = loss + own.structure_weight * structural_dissimilarity(images, reconstruction)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        optimizer.step()

    return task, own.training, step


def prior(context: ProjectContext) -> tuple[Task, TrainingParameters, BareStep]:
    """Return the text prior's task, its parameters and a step of its copy, with one noise per caption."""
    own = context.parameters.generator.prior.model_copy(update={"noises": 1})
    names = ("pictures", "captions_complete", "contrastive_pair", "captioner", "vae")
    made = make_prior(
        Share(), cpu_run(context), own, context.parameters.generator.loop, False, *map(context.load, names)
    )
    task, model = made.task, made.network
    assert isinstance(task, PriorTask) and isinstance(model, TextToImage)
    learning = [weight for weight in model.prior.parameters() if weight.requires_grad]
    twin, optimizer = _twin(model, learning, task)

    def step(rows: torch.Tensor) -> None:
        with torch.no_grad():
            target = task.encoder(task.images[rows])[0]
            reading = twin.encode_text(task.captions.sample(rows, own.canonical_share))
        guess = twin.sample_latents(reading, torch.randn(len(rows), model.prior.noise_dim))
        loss = ((guess - target).square() * task.channel_weights).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(twin.prior.parameters(), 1.0)
        optimizer.step()

    return task, own.training, step


def _twin(network: Any, learning: Any, task: Task) -> tuple[Any, torch.optim.Optimizer]:
    """Return a copy of a network, and an optimizer with the task's settings for its trained weights."""
    places = {id(weight): name for name, weight in network.named_parameters()}
    twin = copy.deepcopy(network)
    Precision(CPU, False).prepare({"twin": twin})
    named = dict(twin.named_parameters())
    (optimizer,) = task.optimizers.values()
    weights = [named[places[id(weight)]] for weight in learning]
    settings = {key: optimizer.defaults[key] for key in ("lr", "betas", "eps", "weight_decay", "fused")}
    return twin, torch.optim.AdamW(weights, **settings)

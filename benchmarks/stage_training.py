"""The training loop beside a bare PyTorch loop, and beside the time of its matrix products alone.

Both loops train copies of one network in one process. They alternate step by step on the same rows, both
with channels_last convolutions. The bare loop does only what is necessary: forward, loss, backward, clip,
step. lexipix also seeds, schedules, averages the weights and counts. Validation is not timed.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch
from record import REPOSITORY, Row
from shapes import seconds_allowed
from torch.nn.utils import clip_grad_norm_
from turns import comparison

from lexipix.cli.project_context import ProjectContext
from lexipix.config.training import TrainingParameters
from lexipix.training.builders.captions import generator_data
from lexipix.training.builders.prior import build_prior
from lexipix.training.builders.vae import build_vae
from lexipix.training.flops import step_cost
from lexipix.training.loop import train
from lexipix.training.losses.ssim import structural_dissimilarity
from lexipix.training.losses.vae import vae_loss
from lexipix.training.precision import Precision
from lexipix.training.tasks.base import TrainingTask
from lexipix.utils.types import NullMetricStream

CPU_FP32 = Precision(torch.device("cpu"), bf16=False)
BARE_BAR, SHAPES_BAR = 0.95, 0.4
SET_UP = 3  # untimed steps: they count operations and allocate memory

BareStep = Callable[[torch.Tensor], None]


class NoCheckpoints:
    """A checkpoint store that keeps nothing."""

    def load(self) -> None:
        """Return no checkpoint."""

    def save(self, *_: Any) -> None:
        """Drop the checkpoint."""

    def clear(self) -> None:
        """Do nothing."""


def training(env: str | None, n_steps: int, repeats: int) -> list[Row]:
    """Return two rows for the VAE and two for the text prior of an environment."""
    context = ProjectContext(REPOSITORY, env)
    torch.manual_seed(0)
    rows = []
    for name, make in (("VAE", vae), ("text prior", prior)):
        rows += beside(name, *make(context), n_steps, repeats)
    return rows


def cpu_run(context: ProjectContext) -> Any:
    """Return the run parameters of a context, for fp32 on the CPU."""
    return context.parameters.run.model_copy(update={"device": "cpu", "precision": "fp32"})


def take_both(task: TrainingTask, bare: BareStep) -> tuple[list[float], list[float]]:
    """Make each step of a task follow a bare one; return the seconds of both, which grow with each step.

    The time until the next call counts as the task's, with the loop's overhead.
    """
    ours: list[float] = []
    theirs: list[float] = []
    step, began = task.step, [0.0]

    def both(rows: torch.Tensor, progress: float) -> dict[str, torch.Tensor]:
        now = time.perf_counter()
        if theirs:
            ours.append(now - began[0])
        bare(rows)
        began[0] = time.perf_counter()
        theirs.append(began[0] - now)
        return step(rows, progress)

    task.step = both  # type: ignore[method-assign]
    return ours, theirs


def beside(
    name: str, task: TrainingTask, parameters: TrainingParameters, bare: BareStep, n_steps: int, repeats: int
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
    batch, run = parameters.batch_size, cpu_run(ProjectContext(REPOSITORY, None))
    CPU_FP32.prepare(task.modules)
    flops = step_cost(task, batch, run, CPU_FP32).flops
    found, step = torch.arange(batch), task.step
    ours, theirs = take_both(task, bare)
    n_images = batch * (n_steps * repeats + SET_UP)
    length = {"num_images": n_images, "num_validations": 1, "checkpoint_seconds": 1e9}
    train(
        task, parameters.model_copy(update=length), run, name=name, key="benchmark", fingerprint="",
        stream=NullMetricStream(), checkpoints=NoCheckpoints(),
    )  # fmt: skip
    rounds = [
        slice(SET_UP + first, SET_UP + first + n_steps) for first in range(0, n_steps * repeats, n_steps)
    ]
    rates, bare_rates = ([batch * n_steps / sum(taken[part]) for part in rounds] for taken in (ours, theirs))
    allowed = [batch / seconds_allowed(lambda: step(found, 0.5)) for _ in range(repeats)]
    gflops, shapes = ([rate * flops / 1e9 for rate in some] for some in (rates, allowed))
    return [
        comparison(
            f"training of the {name}, batch {batch}", "images/s", rates,
            "bare PyTorch loop", bare_rates, BARE_BAR,
        ),
        comparison(
            f"training of the {name}, {flops / 1e6:,.0f} MFLOP per image", "GFLOP/s", gflops,
            "its convolutions and matrix products alone", shapes, SHAPES_BAR,
        ),
    ]  # fmt: skip


def vae(context: ProjectContext) -> tuple[TrainingTask, TrainingParameters, BareStep]:
    """Return the VAE's task, its parameters and a step of its copy."""
    own = context.parameters.generator.vae
    setup = build_vae(cpu_run(context), own, context.load("image_splits"))
    task: Any = setup.task
    twin, optimizer = _twin(setup.network, setup.network.parameters(), task)

    def step(rows: torch.Tensor) -> None:
        images = task.images[rows]
        reconstruction, mean, logvar = twin(images)
        loss, _, _ = vae_loss(images, reconstruction, mean, logvar, own.decoder_variance)
        if own.ssim_weight:
            loss = loss + own.ssim_weight * structural_dissimilarity(images, reconstruction)
        _update(optimizer, loss, twin.parameters())

    return task, own.training, step


def prior(context: ProjectContext) -> tuple[TrainingTask, TrainingParameters, BareStep]:
    """Return the text prior's task, its parameters and a step of its copy, with one noise per caption."""
    own = context.parameters.generator.prior.model_copy(update={"imle_candidates": 1})
    feedback = context.parameters.generator.feedback.model_copy(update={"enabled": False})
    run, pair = cpu_run(context), context.load("contrastive_pair")
    data = generator_data(context.load("image_splits"), context.load("captions_complete"), pair, run)
    models = pair, context.load("captioner"), context.load("vae")
    setup = build_prior(run, own, feedback, False, data, *models)
    task: Any = setup.task
    model: Any = setup.network
    twin, optimizer = _twin(model, [w for w in model.prior.parameters() if w.requires_grad], task)

    def step(rows: torch.Tensor) -> None:
        with torch.no_grad():
            target = task.encoder(task.images[rows])[0]
            encoding = twin.encode_text(task.captions.sample(rows, own.primary_caption_prob))
        latents = twin.sample_latents(encoding, torch.randn(len(rows), model.noise_dim))
        loss = ((latents - target).square() * task.channel_weights).mean()
        _update(optimizer, loss, twin.prior.parameters())

    return task, own.training, step


def _update(optimizer: torch.optim.Optimizer, loss: torch.Tensor, weights: Iterable[torch.Tensor]) -> None:
    optimizer.zero_grad()
    loss.backward()
    clip_grad_norm_(weights, 1.0)
    optimizer.step()


def _twin(network: Any, learning: Iterable[Any], task: TrainingTask) -> tuple[Any, torch.optim.Optimizer]:
    """Return a copy of a network, and an optimizer with the task's settings for its trained weights."""
    names = {id(weight): name for name, weight in network.named_parameters()}
    twin = copy.deepcopy(network)
    CPU_FP32.prepare({"twin": twin})
    named = dict(twin.named_parameters())
    (optimizer,) = task.optimizers.values()
    settings = {key: optimizer.defaults[key] for key in ("lr", "betas", "eps", "weight_decay", "fused")}
    return twin, torch.optim.AdamW([named[names[id(weight)]] for weight in learning], **settings)

"""A training in several processes of this machine, each with its part of every batch.

This process leads: it alone reports, validates and saves, so the stream and the checkpoint store never leave
it. The others make the same task from the same arguments and start from the state that this one sends.
"""

import os
import socket
import tempfile
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol, TypeVar

import torch

from lexipix.config.run import RunParameters
from lexipix.config.training import LaunchParameters, SharedTrainingParameters
from lexipix.training.crew import Crew
from lexipix.training.loop import follow, train
from lexipix.training.parallel import Share
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import Task, TrainingResult
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import CheckpointStore, MetricStream

# How long a process waits for another: the others wait while the leading one probes, validates and saves.
# With gloo one that died is noticed at once, by its closed connection; with nccl perhaps only after that.
TIMEOUT = {"cpu": timedelta(hours=1), "cuda": timedelta(minutes=10)}


class Made(Protocol):
    """What a training is made of."""

    @property
    def task(self) -> Task:
        """What is trained."""


M = TypeVar("M", bound=Made)


def train_shared(
    make: Callable[..., M],
    arguments: Sequence[Any],
    parameters: SharedTrainingParameters,
    run: RunParameters,
    launch: LaunchParameters,
    *,
    name: str,
    fingerprint: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    choices: MutableMapping[str, str] | None = None,
) -> tuple[M, TrainingResult]:
    """Make a task and :func:`train` it, in as many processes as ``launch`` says.

    Every number of processes sees the same batches and random numbers, and gives the same curve within the
    rounding of sums; a checkpoint is continued by any number.

    Args:
        make: A function of a module: the process's :class:`Share`, its run parameters and ``arguments`` to
            what holds the task.
        arguments: They can be pickled; memory-mapped arrays are opened again by each process.
        parameters: Of the training.
        run: Seed, device, precision; the threads are shared out over the processes.
        launch: How many processes.
        name: See :func:`train`, as for what follows.
        fingerprint: It must not depend on the number of processes.
        stream: Written to by this process alone.
        checkpoints: Likewise.
        choices: Likewise.

    Raises:
        LexipixError: There are too few cores or GPUs, or another process died; the last checkpoint remains.
    """

    def lead(share: Share, run: RunParameters) -> tuple[M, TrainingResult]:
        made = make(share, run, *arguments)
        return made, train(
            made.task, parameters, run, name=name, fingerprint=fingerprint, stream=stream,
            checkpoints=checkpoints, choices=choices, share=share,
        )  # fmt: skip

    processes = launch.processes
    if processes == 1:
        return lead(Share(micro_batches=parameters.accumulate), run)
    device = resolve_device(run).type
    _require_room(launch, device)
    with _threads_as_before(), _group_left(), tempfile.TemporaryDirectory() as folder:
        own = run.model_copy(update={"threads": max(1, torch.get_num_threads() // processes)})
        store = Path(folder) / "rendezvous"
        others = [
            (make, arguments, parameters, own, rank, processes, device, store) for rank in range(1, processes)
        ]
        with Crew(f"The training of {name}") as crew:
            crew.start(_follow, others)
            _join(0, processes, device, store)
            return lead(Share(0, processes, parameters.accumulate), own)


def _follow(
    make: Callable[..., Made],
    arguments: Sequence[Any],
    parameters: SharedTrainingParameters,
    run: RunParameters,
    rank: int,
    processes: int,
    device: str,
    store: Path,
) -> None:
    """What every process but the leading one does."""
    resolve_device(run)
    _join(rank, processes, device, store)
    share = Share(rank, processes, parameters.accumulate)
    follow(make(share, run, *arguments).task, parameters, run, share)


def _require_room(launch: LaunchParameters, device: str) -> None:
    """Check that every process has a GPU, or a core, of its own."""
    if device == "cuda":
        there, what = torch.cuda.device_count(), "CUDA device"
    else:
        there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        what = "CPU core"
    if there < launch.processes:
        raise LexipixError(
            f"{launch.key}.processes = {launch.processes}, but there {'is' if there == 1 else 'are'} {there} "
            f"{what}{'' if there == 1 else 's'} here, and each process needs one: set it to {there} or less."
        )


def _join(rank: int, processes: int, device: str, store: Path) -> None:
    """Meet the others: gloo on CPUs, nccl on GPUs, of this machine alone."""
    from accelerate import PartialState
    from accelerate.utils import patch_environment

    PartialState._reset_state()  # it remembers what another library may have asked it before
    place: dict[str, str | int] = {
        "RANK": rank, "WORLD_SIZE": processes, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": processes,
        "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": torch.get_num_threads(),
    }  # fmt: skip
    if loopback := [name for _, name in socket.if_nameindex() if name.startswith("lo")]:
        place["GLOO_SOCKET_IFNAME"] = loopback[0]
    with patch_environment(**place):
        PartialState(
            cpu=device == "cpu",
            rank=rank,
            world_size=processes,
            init_method=store.as_uri(),
            timeout=TIMEOUT[device],
        )


@contextmanager
def _group_left() -> Iterator[None]:
    """Leave the group afterwards, so that the next training can make its own."""
    from accelerate import PartialState

    try:
        yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        PartialState._reset_state()


@contextmanager
def _threads_as_before() -> Iterator[None]:
    """The nodes to come have the whole CPU again."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)

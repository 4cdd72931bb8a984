"""Threads, device, numerical precision and memory layout, chosen by a short probe of the training itself."""

import logging
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lexipix.config.run import RunParameters
from lexipix.training.checkpoint_state import fixed_names, live_state
from lexipix.training.tasks.base import Task
from lexipix.utils.errors import LexipixError

logger = logging.getLogger(__name__)

PROBE_SECONDS = 0.7
PRODUCT_SIZE = 256
MIN_ROUNDS = 4
# bf16 must pay clearly: a narrow choice would fall one way here and the other there, and the bytes with it.
BF16_MUST_GAIN = 1.15


@dataclass(frozen=True)
class Precision:
    """A device with a precision.

    Attributes:
        device: Where tensors live.
        bf16: Whether matrix products and convolutions run in bfloat16 (weights stay fp32).
    """

    device: torch.device
    bf16: bool

    @property
    def name(self) -> str:
        """For example ``cpu/bf16``."""
        return f"{self.device.type}/{'bf16' if self.bf16 else 'fp32'}"

    @classmethod
    def from_name(cls, name: str, run: RunParameters) -> "Precision":
        """The machine that :attr:`name` describes, on the device of this run."""
        return cls(resolve_device(run), name.endswith("bf16"))

    @contextmanager
    def autocast(self) -> Iterator[None]:
        """Run the body in the chosen precision."""
        with torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext():
            yield

    def prepare(self, modules: Mapping[str, nn.Module]) -> None:
        """Move modules to the device; convolution weights to channels_last, which most kernels prefer."""
        for module in modules.values():
            put_channels_last(module.to(self.device))

    def release(self, modules: Mapping[str, nn.Module]) -> None:
        """Bring modules back to the CPU in evaluation mode, laid out plainly."""
        for module in modules.values():
            module.to("cpu").eval()
            for parameter in module.parameters():
                parameter.data = parameter.data.contiguous()


def put_channels_last(network: nn.Module) -> None:
    """Lay the weights of convolutions out as they are fastest on most processors."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def resolve_device(run: RunParameters) -> torch.device:
    """The device of a run; also sets torch's thread count."""
    if run.threads:
        torch.set_num_threads(run.threads)
    if run.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if run.device == "cuda" and not torch.cuda.is_available():
        raise LexipixError(
            "run.device = cuda, but torch finds no CUDA device: set run.device to cpu or auto."
        )
    return torch.device(run.device)


def choose_precision(
    task: Task,
    batch_size: int,
    run: RunParameters,
    name: str,
    choices: MutableMapping[str, str] | None = None,
) -> Precision:
    """Time a few real steps in fp32 and bf16 and take the faster; the task is left as it was found.

    Where one product of two matrices is already slower in bf16, its steps could be fifteen times slower, and
    timing them takes half a minute: fp32 is taken at once.

    Args:
        task: What is to be trained.
        batch_size: Images per step.
        run: A precision other than ``auto`` is taken without a probe.
        name: Of the training.
        choices: Earlier choices on this machine; one for the same network and batch is taken again.
    """
    device = resolve_device(run)
    if run.precision != "auto":
        return Precision(device, run.precision == "bf16")
    n_weights = sum(weight.numel() for module in task.modules.values() for weight in module.parameters())
    key = f"{name}, {n_weights} weights, batch of {batch_size}, {device.type}"
    if choices is not None and key in choices:
        machine = Precision.from_name(choices[key], run)
        logger.info("%s: %s, as chosen before on this machine", name, machine.name)
        return machine

    if products_gain(device) < 1:
        machine = Precision(device, False)
        reason = "matrix products are slower in bf16 here"
    else:
        machines = {bf16: Precision(device, bf16) for bf16 in (False, True)}
        machines[False].prepare(task.modules)
        with left_as_found(task):
            rates = _rates(task, machines, batch_size, run)
        machine = Precision(device, rates[True] > BF16_MUST_GAIN * rates[False])
        reason = f"fp32 {rates[False]:.0f} images/s, bf16 {rates[True]:.0f} images/s in a short probe"
    logger.info("%s: %s; taking %s, channels_last", name, reason, machine.name)
    if choices is not None:
        choices[key] = machine.name
    return machine


def products_gain(device: torch.device) -> float:
    """How many times faster this machine multiplies two matrices in bf16 than in fp32; takes about 0.1 s."""
    seconds = {}
    for dtype in (torch.float32, torch.bfloat16):
        matrix = torch.ones(PRODUCT_SIZE, PRODUCT_SIZE, dtype=dtype, device=device)
        seconds[dtype] = float("inf")
        for _ in range(4):
            start = time.perf_counter()
            (matrix @ matrix)[0, 0].item()  # which also waits for a GPU
            seconds[dtype] = min(seconds[dtype], time.perf_counter() - start)
    return seconds[torch.float32] / seconds[torch.bfloat16]


def step_flops(task: Task, batch_size: int, run: RunParameters, machine: Precision) -> float:
    """Multiplications and additions, counted apart, that one image costs in a step; the task stays as it is.

    Counted are matrix products, convolutions and attention, forwards and backwards, where torch tells; what a
    network that does not learn computes in one fused call is not.
    """
    rows = torch.arange(batch_size) % task.n_rows
    with left_as_found(task), FlopCounterMode(display=False) as counter:
        torch.manual_seed(run.seed)
        with machine.autocast():
            task.step(rows, 0.5)
    return float(counter.get_total_flops()) / batch_size


@contextmanager
def left_as_found(task: Task) -> Iterator[None]:
    """Take steps in the body; weights, gradients, optimizers and modes are put back afterwards."""
    fixed = fixed_names(task.modules, task.optimizers)
    before = {key: value.clone() for key, value in live_state(task.modules, fixed).items()}
    optimizers_before = {key: optimizer.state_dict() for key, optimizer in task.optimizers.items()}
    training = {key: module.training for key, module in task.modules.items()}
    yield
    with torch.no_grad():
        for part, value in live_state(task.modules, fixed).items():
            value.copy_(before[part])
    for part, module in task.modules.items():
        module.train(training[part])
        module.zero_grad(set_to_none=True)
    for part, optimizer in task.optimizers.items():
        optimizer.load_state_dict(optimizers_before[part])
        optimizer.state.clear()


def _rates(
    task: Task, machines: Mapping[bool, Precision], batch_size: int, run: RunParameters
) -> dict[bool, float]:
    """Images per second of the fastest step on each machine; they take turns and so meet the same load."""
    rows = torch.arange(batch_size) % task.n_rows
    best = dict.fromkeys(machines, float("inf"))
    spent, rounds = 0.0, 0
    while rounds < MIN_ROUNDS or spent < PROBE_SECONDS:
        for bf16, machine in machines.items():
            torch.manual_seed(run.seed)
            start = time.perf_counter()
            with machine.autocast():
                task.step(rows, 0.5)  # beyond head starts
            if machine.device.type == "cuda":
                torch.cuda.synchronize()
            elapsed = time.perf_counter() - start
            spent += elapsed
            if rounds:  # the first step pays for one-time set-up
                best[bf16] = min(best[bf16], elapsed)
        rounds += 1
    return {bf16: batch_size / seconds for bf16, seconds in best.items()}

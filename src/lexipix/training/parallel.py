"""A global batch shared out: over processes that work at the same time, and over micro-batches in turn.

Every process draws the random numbers of the whole batch and takes those of its own rows, and every
micro-batch draws them again: a batch that is shared out sees the numbers that a whole one would have seen. A
loss is the mean over the parts; one that couples the rows of a batch asks for the other processes' rows by
:meth:`Share.together` or :meth:`Share.jointly`, and gradients flow back to where the rows came from.

With one process and one micro-batch nothing here computes anything.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from torch import Tensor, nn

from lexipix.models.company import Company

# What is to be minimised for the rows of one part, and figures to be averaged over the parts
Losses = Callable[[], tuple[Tensor, dict[str, Tensor]]]


class Share:
    """The part of each global batch that this process has.

    Args:
        rank: Of this process; 0 leads: it alone validates, reports and saves.
        processes: That work together, in the group that :mod:`lexipix.training.launching` makes.
        micro_batches: Into which each batch is cut; their gradients make one update.
    """

    def __init__(self, rank: int = 0, processes: int = 1, micro_batches: int = 1) -> None:
        self.rank, self.processes, self.micro_batches = rank, processes, micro_batches
        self.turn = 0

    @property
    def parts(self) -> int:
        """Parts of a global batch."""
        return self.processes * self.micro_batches

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Inside, this process has the whole of any batch and speaks with no other."""
        before = self.processes, self.micro_batches
        self.processes = self.micro_batches = 1
        try:
            yield
        finally:
            self.processes, self.micro_batches = before

    # Rows

    def of_turn(self, rows: Tensor) -> Tensor:
        """Of a whole batch (B, …), the rows of the current micro-batch: every M-th.

        So each micro-batch keeps the batch's order, in which equal captions come at equal distances.
        """
        return rows if self.micro_batches == 1 else rows[self.turn :: self.micro_batches]

    def own(self, rows: Tensor) -> Tensor:
        """Of a whole batch (B, …), this process's rows of the current micro-batch: (B / parts, …)."""
        return self._mine(self.of_turn(rows))

    def whole(self, n_rows: int) -> int:
        """Rows of a whole batch of which each part has ``n_rows``."""
        return n_rows * self.parts

    def randn_like(self, own: Tensor) -> Tensor:
        """Standard normal numbers for own rows, as one draw for the whole batch gives them."""
        if self.parts == 1:
            return torch.randn_like(own)
        return self.own(torch.randn_like(torch.cat([own.detach()] * self.parts)))

    def together(self, own: Tensor) -> Tensor:
        """Own rows (b, …) and those of the other processes, (processes * b, …), in the batch's order."""
        return own if self.processes == 1 else _together(own, self)

    def jointly(self, function: Callable[..., Tensor], *own: Tensor) -> Tensor:
        """Own rows of what ``function`` gives for the rows of all processes."""
        return self._mine(function(*map(self.together, own)))

    def connect(self, *modules: nn.Module) -> None:
        """Let the modules that look at a whole batch see the rows of all processes."""
        for module in modules:
            for part in module.modules():
                if self.processes > 1 and isinstance(part, Company):
                    part.jointly = self.jointly

    def _mine(self, rows: Tensor) -> Tensor:
        return rows if self.processes == 1 else rows.chunk(self.processes)[self.rank]

    # Updates

    def again(self) -> Callable[[], None]:
        """Note where torch's generators are; calling what is returned puts them back there.

        With one micro-batch nothing is drawn twice, and they are left alone.
        """
        if self.micro_batches == 1:
            return lambda: None
        cpu = torch.get_rng_state()
        cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None

        def put_back() -> None:
            torch.set_rng_state(cpu)
            if cuda is not None:
                torch.cuda.set_rng_state(cuda)

        return put_back

    def update(
        self,
        optimizer: torch.optim.Optimizer,
        losses: Losses,
        *,
        clip: float | None = None,
        again: Callable[[], None] | None = None,
    ) -> dict[str, Tensor]:
        """Take one step with the gradients of all parts.

        Args:
            optimizer: What moves; nothing else's gradients are looked at.
            losses: Called once for each micro-batch; it draws and takes its own rows.
            clip: Largest norm of the gradients of the whole batch.
            again: From :meth:`again`, where an update is not the first thing of a step that draws.

        Returns:
            The figures, as scalars, averaged over all parts.
        """
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        again = again or self.again()
        optimizer.zero_grad()
        figures = []
        try:
            for turn in range(self.micro_batches):
                self.turn = turn
                again()
                loss, seen = losses()
                (loss if self.micro_batches == 1 else loss / self.micro_batches).backward()
                figures.append(seen)
        finally:
            self.turn = 0
        means = figures[0] if self.micro_batches == 1 else _means(figures)
        if self.processes > 1:
            means = _averaged([weight.grad for weight in weights if weight.grad is not None], means)
        if clip is not None:
            nn.utils.clip_grad_norm_(weights, clip)
        optimizer.step()
        return means

    # Between the processes

    def send(self, tensors: Mapping[str, Tensor], meta: Mapping[str, Any]) -> None:
        """Give the others tensors and plain values; they must :meth:`receive`."""
        from accelerate.utils import broadcast, broadcast_object_list

        kinds = {key: (value.shape, value.dtype, value.device.type) for key, value in tensors.items()}
        broadcast_object_list([kinds, dict(meta)])
        for value in tensors.values():
            broadcast(value.detach().to(_device()).contiguous())

    def receive(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """What the leading process sends."""
        from accelerate.utils import broadcast, broadcast_object_list

        kinds, meta = broadcast_object_list([None, None])
        tensors = {}
        for key, (shape, dtype, device) in kinds.items():
            value = broadcast(torch.empty(shape, dtype=dtype, device=_device()))
            tensors[key] = value.to(device)
        return tensors, meta

    def told(self, decision: bool) -> bool:
        """What the leading process decides; what the others pass does not count."""
        if self.processes == 1:
            return decision
        from accelerate.utils import broadcast_object_list

        return bool(broadcast_object_list([decision])[0])


class _Together(torch.autograd.Function):
    """The rows of all processes; what each process's loss says of them goes back to where they came from."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, share: Share) -> Tensor:
        from accelerate.utils import gather

        ctx.share = share
        return cast(Tensor, gather(own))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _apart(gradients[0], ctx.share), None


class _Apart(torch.autograd.Function):
    """The other way round, for gradients and theirs: each process has its rows of the sum over processes."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, share: Share) -> Tensor:
        from accelerate.utils import reduce

        ctx.share = share
        return cast(Tensor, reduce(rows.contiguous(), "sum")).chunk(share.processes)[share.rank].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _together(gradients[0], ctx.share), None


_together = cast(Callable[[Tensor, Share], Tensor], _Together.apply)
_apart = cast(Callable[[Tensor, Share], Tensor], _Apart.apply)


def _means(figures: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Means over micro-batches."""
    return {key: torch.stack([one[key].detach().float() for one in figures]).mean() for key in figures[0]}


def _averaged(gradients: Iterable[Tensor], figures: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Average gradients, in place, and figures over the processes, in one message.

    One message, after the backward pass: the networks are small, and DistributedDataParallel, which would
    hide it behind that pass, wants one module and one forward for each backward. A GAN's step is not so.
    """
    from accelerate.utils import reduce

    gradients = list(gradients)
    parts = [*gradients, *(value.detach().float() for value in figures.values())]
    sizes = [math.prod(part.shape) for part in parts]
    means = reduce(torch.cat([part.reshape(-1) for part in parts]), "mean").split(sizes)
    for gradient, mean in zip(gradients, means, strict=False):
        gradient.copy_(mean.view_as(gradient))
    return dict(zip(figures, (mean.view(()) for mean in means[len(gradients) :]), strict=True))


def _device() -> torch.device:
    from accelerate import PartialState

    return cast(torch.device, PartialState().device)

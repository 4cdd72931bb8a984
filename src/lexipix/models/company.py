"""Modules in which the rows of a batch see each other: what each gives for one row depends on the others."""

from collections.abc import Callable

from torch import Tensor, nn


def _as_given(function: Callable[..., Tensor], *rows: Tensor) -> Tensor:
    return function(*rows)


class Company(nn.Module):
    """Base of modules that look at a whole batch.

    Attributes:
        jointly: Applies a function of a whole batch to tensors of rows. A training that shares its batches
            out over processes sets one that brings in the other processes' rows; see
            :meth:`lexipix.training.parallel.Share.jointly`.
    """

    jointly: Callable[..., Tensor] = staticmethod(_as_given)


class BatchNorm2d(Company, nn.BatchNorm2d):
    """Normalises by the statistics of the whole batch, in however many processes it is."""

    def forward(self, x: Tensor) -> Tensor:
        """``x`` (B, C, H, W) to the same shape."""
        if not self.training:
            return super().forward(x)
        return self.jointly(super().forward, x)

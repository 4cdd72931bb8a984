"""Device, thread count, numerical precision and memory layout of a training."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn

from lexipix.config.run import RunParameters
from lexipix.utils.errors import LexipixError


@dataclass(frozen=True)
class Precision:
    """A device and the number format of its matrix products."""

    device: torch.device
    bf16: bool  # matrix products and convolutions run in bfloat16; weights stay fp32

    @property
    def name(self) -> str:
        """For example ``cpu/bf16``."""
        return f"{self.device.type}/{'bf16' if self.bf16 else 'fp32'}"

    @classmethod
    def of_run(cls, run: RunParameters) -> "Precision":
        """The precision of ``run.precision``; ``auto`` is bf16 where the hardware has it, else fp32."""
        device = resolve_device(run)
        return cls(device, has_bf16(device) if run.precision == "auto" else run.precision == "bf16")

    @classmethod
    def from_name(cls, name: str, run: RunParameters) -> "Precision":
        """The precision called ``name``, on the device of this run."""
        return cls(resolve_device(run), name.endswith("bf16"))

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def prepare(self, modules: Mapping[str, nn.Module]) -> None:
        """Move modules to the device, with channels_last convolution weights."""
        for module in modules.values():
            put_channels_last(module.to(self.device))

    def synchronize(self) -> None:
        """Wait until a GPU has done what was asked of it."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def release(self, modules: Mapping[str, nn.Module]) -> None:
        """Move modules back to the CPU, in evaluation mode and contiguous."""
        for module in modules.values():
            module.to("cpu").eval()
            for parameter in module.parameters():
                parameter.data = parameter.data.contiguous()


def put_channels_last(network: nn.Module) -> None:
    """Lay the weights of convolutions out in channels_last, which most kernels prefer."""
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)


def has_bf16(device: torch.device) -> bool:
    """Whether the processor (AVX-512 BF16, AMX or Arm BF16) or the GPU multiplies bfloat16 in hardware.

    A processor that ``ATEN_CPU_CAPABILITY`` restricts to AVX2 counts as one that has no more.
    """
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.backends.cpu.get_cpu_capability() == "AVX2":
        return False
    return any(present for name, present in torch.cpu.get_capabilities().items() if "bf16" in name)


def resolve_device(run: RunParameters) -> torch.device:
    """Return the device of a run, which must exist, and set torch's thread count."""
    if run.threads:
        torch.set_num_threads(run.threads)
    if run.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if run.device == "cuda" and not torch.cuda.is_available():
        raise LexipixError(
            "run.device = cuda, but torch finds no CUDA device: set run.device to cpu or auto."
        )
    return torch.device(run.device)

import pytest
import torch
from tests.support.parameters import section

from lexipix.training.precision import Precision, has_bf16, resolve_device
from lexipix.utils.errors import LexipixError

CPU = torch.device("cpu")


def run(**changes):
    return section("run", {"device": "cpu"} | changes)


@pytest.mark.parametrize(
    ("capabilities", "found"),
    [
        ({"avx2": True, "avx512_bf16": False, "amx_bf16": False}, False),
        ({"avx512_bf16": True, "amx_bf16": False}, True),
        ({"avx512_bf16": False, "amx_bf16": True}, True),
        ({"neon": True, "sve_bf16": True}, True),
        ({"architecture": "bf16-less", "num_sockets": 1}, False),
    ],
)
def test_bf16_is_taken_where_the_processor_has_it(monkeypatch, capabilities, found):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    assert has_bf16(CPU) is found
    assert Precision.of_run(run(precision="auto")) == Precision(CPU, found)


def test_a_processor_that_is_restricted_to_avx2_has_no_bf16(monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    assert not has_bf16(CPU)


@pytest.mark.parametrize("found", [True, False])
def test_bf16_is_taken_where_the_gpu_has_it(monkeypatch, found):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: found)
    assert has_bf16(torch.device("cuda")) is found


@pytest.mark.parametrize("name", ["fp32", "bf16"])
def test_the_parameter_overrides_the_hardware(name):
    assert Precision.of_run(run(precision=name)).name == f"cpu/{name}"


def test_name_of_a_precision_and_back():
    for bf16 in (False, True):
        one = Precision(CPU, bf16)
        assert Precision.from_name(one.name, run()) == one


def test_autocast_is_what_the_name_says():
    x = torch.ones(2, 2)
    with Precision(CPU, True).autocast():
        assert (x @ x).dtype == torch.bfloat16
    with Precision(CPU, False).autocast():
        assert (x @ x).dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_missing_cuda_is_reported():
    assert resolve_device(run(device="auto")).type == "cpu"
    with pytest.raises(LexipixError, match=r"run\.device = cuda, but torch finds no CUDA device"):
        resolve_device(run(device="cuda"))

import pytest
import torch
from tests.support.toy import ToyTask

from lexipix.config.run import RunParameters
from lexipix.training import precision as machine
from lexipix.training.precision import Precision, choose_precision, products_gain, resolve_device
from lexipix.utils.errors import LexipixError


@pytest.fixture(autouse=True)
def with_bf16(monkeypatch):
    """Whatever machine this is, its matrix products are faster in bf16."""
    monkeypatch.setattr(machine, "products_gain", lambda device: 2.0)


@pytest.fixture
def rates(monkeypatch):
    """Take a step as the probe does, but say how fast it was."""
    said = {False: 100.0, True: 100.0}

    def rates(task, machines, batch_size, run):
        task.step(torch.arange(batch_size), 0.0)
        return said

    monkeypatch.setattr(machine, "_rates", rates)
    return said


def test_probe_leaves_the_task_as_it_was():
    task, untouched = ToyTask(), ToyTask()
    choose_precision(task, 10, RunParameters(device="cpu"), "toy")
    assert len(task.seen) >= 6, "it took real steps"
    for key, value in untouched.weights().items():
        assert torch.equal(task.weights()[key], value), key
    for optimizer in task.optimizers.values():
        assert not optimizer.state
    assert all(weight.grad is None for module in task.modules.values() for weight in module.parameters())
    assert all(module.training for module in task.modules.values())


@pytest.mark.parametrize(("bf16_rate", "name"), [(114.0, "cpu/fp32"), (116.0, "cpu/bf16")])
def test_bf16_must_pay_clearly(bf16_rate, name, rates):
    rates[True] = bf16_rate
    assert choose_precision(ToyTask(), 10, RunParameters(device="cpu"), "toy").name == name


def test_steps_are_not_timed_where_products_are_slower_in_bf16(monkeypatch):
    monkeypatch.setattr(machine, "products_gain", lambda device: 0.9)
    task = ToyTask()
    assert choose_precision(task, 10, RunParameters(device="cpu"), "toy").name == "cpu/fp32"
    assert not task.seen


def test_gain_of_products_is_measured():
    assert 0.001 < products_gain(torch.device("cpu")) < 1000


def test_choice_is_remembered(rates):
    choices, run = {}, RunParameters(device="cpu")
    rates[True] = 200.0
    assert choose_precision(ToyTask(), 10, run, "toy", choices).bf16
    rates[True] = 50.0  # today the machine is busy
    task = ToyTask()
    assert choose_precision(task, 10, run, "toy", choices).bf16
    assert not task.seen
    assert not choose_precision(ToyTask(), 20, run, "toy", choices).bf16, "another batch, another choice"
    assert not choose_precision(ToyTask(), 10, run, "other", choices).bf16
    assert len(choices) == 3


def test_precision_of_the_parameters_needs_no_probe():
    task = ToyTask()
    assert choose_precision(task, 10, RunParameters(device="cpu", precision="bf16"), "toy").bf16
    assert not task.seen


def test_name_of_a_machine_and_back():
    run = RunParameters(device="cpu")
    for bf16 in (False, True):
        one = Precision(torch.device("cpu"), bf16)
        assert Precision.from_name(one.name, run) == one


def test_autocast_is_what_the_name_says():
    x = torch.ones(2, 2)
    with Precision(torch.device("cpu"), True).autocast():
        assert (x @ x).dtype == torch.bfloat16
    with Precision(torch.device("cpu"), False).autocast():
        assert (x @ x).dtype == torch.float32


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there_is_told():
    assert resolve_device(RunParameters(device="auto")).type == "cpu"
    with pytest.raises(LexipixError, match=r"run\.device = cuda, but torch finds no CUDA device"):
        resolve_device(RunParameters(device="cuda"))

import copy

import pytest
import torch
from tests.support.generator_world import Training, hyperparameters, world

from lexipix.training import loop
from lexipix.training.cuda_graphs import CudaGraphRunner, set_lr
from lexipix.training.tasks.gan import GANTask


def test_a_learning_rate_is_set_where_a_captured_step_reads_it():
    weight = torch.nn.Parameter(torch.zeros(2))
    plain = torch.optim.SGD([weight], 1.0)
    set_lr(plain, [0.5])
    assert plain.param_groups[0]["lr"] == 0.5
    kept = torch.tensor(1.0)
    plain.param_groups[0]["lr"] = kept
    set_lr(plain, [0.25])
    assert plain.param_groups[0]["lr"] is kept and float(kept) == 0.25


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")


@needs_gpu
def test_captured_steps_do_what_plain_ones_do():
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1)).cuda()
    other = copy.deepcopy(network)
    batches = torch.randn(12, 8, 4, device="cuda")

    def updates(net, optimizer):
        def work(batch):
            optimizer.zero_grad()
            loss = (net(batch) - batch.sum(1, keepdim=True)).square().mean()
            loss.backward()
            optimizer.step()
            return {"loss": loss}

        return work

    plain = torch.optim.Adam(network.parameters(), 1e-2, fused=True)
    captured = torch.optim.Adam(other.parameters(), 1e-2, fused=True)
    runner = CudaGraphRunner([captured])
    for number, batch in enumerate(batches):
        for optimizer in (plain, captured):
            set_lr(optimizer, [1e-2 / (number + 1)])
        own = updates(network, plain)(batch)["loss"].detach()
        same = runner(updates(other, captured), [batch])["loss"]
        assert float(same) == pytest.approx(float(own), rel=1e-4)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gan_learns_from_captured_steps(precision, monkeypatch):
    device, here = torch.device("cuda"), copy.deepcopy(world())
    here.captions.device = device
    settings = {"discriminator_warmup": 0.1, "energy_weight": 1.0, "augmentations": ("color",), "flip": True}
    runners, runner_class = [], CudaGraphRunner
    monkeypatch.setattr(loop, "CudaGraphRunner", lambda o: runners.append(runner_class(o)) or runners[-1])

    def task():
        data = here.data()
        return GANTask(here.text_to_image(), here.discriminator(), data, hyperparameters(**settings))

    result, _, _ = Training(task, 480, "cuda", precision)()
    assert {kind[0] for kind in runners[0].captured} == {False, True}
    errors = [row["pixel_loss"] for row in result.curves if "pixel_loss" in row]
    assert errors[-1] < 0.8 * errors[0]

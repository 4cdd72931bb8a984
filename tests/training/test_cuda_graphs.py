import copy

import pytest
import torch
from tests.support.generator_world import Training, world

from lexipix.training.cuda_graphs import CudaGraphRunner, set_rate
from lexipix.training.tasks.gan import GANTask


def test_a_rate_is_set_where_it_is_looked_up():
    weight = torch.nn.Parameter(torch.zeros(2))
    plain = torch.optim.SGD([weight], 1.0)
    set_rate(plain, [0.5])
    assert plain.param_groups[0]["lr"] == 0.5
    kept = torch.tensor(1.0)
    plain.param_groups[0]["lr"] = kept
    set_rate(plain, [0.25])
    assert plain.param_groups[0]["lr"] is kept and float(kept) == 0.25


needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="CUDA graphs need a GPU")


@needs_gpu
def test_recorded_steps_do_what_plain_ones_do():
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
    recorded = torch.optim.Adam(other.parameters(), 1e-2, fused=True)
    recording = CudaGraphRunner([recorded])
    for number, batch in enumerate(batches):
        for optimizer in (plain, recorded):
            set_rate(optimizer, [1e-2 / (number + 1)])
        own = updates(network, plain)(batch)["loss"].detach()
        same = recording(updates(other, recorded), [batch])["loss"]
        assert float(same) == pytest.approx(float(own), rel=1e-4)
    for a, b in zip(network.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-4, atol=1e-6)


@needs_gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_gan_learns_from_recorded_steps(precision):
    device, here = torch.device("cuda"), copy.deepcopy(world())
    validation = here.validation()
    validation.encoder.to(device)
    for part in (validation, validation.images, validation.captions, here.captions):
        part.device = device
    task = GANTask(
        here.text_to_image(), here.discriminator(), here.images, here.captions, here.groups, validation,
        adversary="hinge", learning_rate=2e-3, discriminator_learning_rate=2e-3, penalty=0.0, alignment=0.5,
        adversarial=1.0, anchor=10.0, anchor_cell=4, head_start=0.1, variety=1.0, canonical_share=0.5,
        augmentations=["color", "translation"], flip=True, device=device,
    )  # fmt: skip
    result, _, _ = Training(lambda: task, 480, "cuda", precision)()
    assert (True,) in {kind[0] for kind in task.recording._tapes}
    anchors = [row["anchor"] for row in result.curves if "anchor" in row]
    assert anchors[-1] < 0.8 * anchors[0]

"""Muon beside torch's own, and what it leaves to AdamW."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from lexipix.training.checkpoint_state import pack_state, unpack_state
from lexipix.training.muon import Muon, orthogonalize

LR = 0.01


class Network(nn.Module):
    """An embedding, a convolution, hidden layers and a small output."""

    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 64)
        self.mix = nn.Conv2d(16, 32, 3, padding=1).to(memory_format=torch.channels_last)
        self.hidden = nn.Linear(512, 48)
        self.norm = nn.LayerNorm(48)
        self.out = nn.Linear(48, 3)

    def forward(self, ids):
        grid = self.mix(self.words(ids).unflatten(1, (16, 2, 2)).repeat(1, 1, 2, 2))
        return self.out(self.norm(self.hidden(grid.flatten(1))))


def made(seed=0, **group):
    torch.manual_seed(seed)
    network = Network()
    groups = [{"params": list(network.parameters()), **group}]
    return network, Muon(network, groups, LR, 0.98, 0.0)


def step(network, optimizer, seed=0):
    ids = torch.randint(20, (512,), generator=torch.Generator().manual_seed(seed))
    optimizer.zero_grad()
    F.mse_loss(network(ids), torch.ones(512, 3)).backward()
    optimizer.step()


def test_matrices_become_nearly_orthogonal_and_keep_their_singular_vectors():
    generator = torch.Generator().manual_seed(1)
    shapes = [(16, 16), (16, 200), (200, 16), (24, 40), (16, 16)]
    matrices = [torch.randn(shape, generator=generator) for shape in shapes]
    for before, after in zip(matrices, orthogonalize(matrices), strict=True):
        assert after.shape == before.shape
        u, given, v = torch.linalg.svd(before, full_matrices=False)
        inside = u.T @ after @ v.T
        values = inside.diag()
        assert values[given > 0.015 * given[0]].min() > 0.5 and values.max() < 1.12
        assert (inside - values.diag()).abs().max() < 1e-3


def test_an_update_is_that_of_torch():
    network, optimizer = made()
    weight, other = network.hidden.weight, nn.Parameter(network.hidden.weight.detach().clone())
    reference = torch.optim.Muon([other], lr=LR, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for seed in range(3):
        before, other_before = weight.detach().clone(), other.detach().clone()
        weight.grad = torch.randn(48, 512, generator=torch.Generator().manual_seed(seed))
        other.grad = weight.grad.clone()
        optimizer.step()
        reference.step()
        moved, other_moved = (weight - before).detach(), (other - other_before).detach()
        # torch's has other polynomials
        assert F.cosine_similarity(moved.flatten(), other_moved.flatten(), dim=0) > 0.95
        assert moved.norm() == pytest.approx(float(other_moved.norm()), rel=0.1)


def test_an_update_does_not_depend_on_the_layout_of_a_gradient():
    moved = []
    for layout in (torch.channels_last, torch.contiguous_format):
        network, optimizer = made()
        gradient = torch.randn(32, 16, 3, 3, generator=torch.Generator().manual_seed(0))
        network.mix.weight.grad = gradient.contiguous(memory_format=layout)
        optimizer.step()
        moved.append(network.mix.weight.detach())
    torch.testing.assert_close(*moved)


def test_an_update_is_the_same_in_the_autocast_of_a_training():
    moved = []
    for enabled in (False, True):
        network, optimizer = made()
        network.hidden.weight.grad = torch.randn(48, 512, generator=torch.Generator().manual_seed(0))
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            optimizer.step()
        moved.append(network.hidden.weight.detach())
    assert torch.equal(*moved)


def test_weights_without_a_gradient_stay_as_they_are():
    network, optimizer = made()
    before = {name: one.clone() for name, one in network.state_dict().items()}
    optimizer.step()
    assert all(torch.equal(one, before[name]) for name, one in network.state_dict().items())


def test_embeddings_norms_biases_and_small_outputs_are_left_to_adamw():
    network, optimizer = made()
    step(network, optimizer)
    by_muon = {name for name, one in network.named_parameters() if "momentum" in optimizer.state[one]}
    assert by_muon == {"mix.weight", "hidden.weight"}
    network, optimizer = made(muon=False)
    step(network, optimizer)
    assert all("exp_avg" in optimizer.state[one] for one in network.parameters())


def test_the_weight_under_a_spectral_norm_is_a_matrix_too():
    network = spectral_norm(nn.Linear(32, 24))
    optimizer = Muon(network, [{"params": list(network.parameters())}], LR, 0.99, 0.0)
    network(torch.ones(2, 32)).sum().backward()
    optimizer.step()
    assert "momentum" in optimizer.state[network.parametrizations.weight.original]


def test_a_checkpoint_goes_on_with_the_same_bytes():
    network, optimizer = made()
    for seed in range(2):
        step(network, optimizer, seed)
    saved = {
        key: one.clone()
        for key, one in pack_state({"live": network.state_dict()}, {"net": optimizer}).items()
    }
    step(network, optimizer, 2)
    again, resumed = made(seed=5)
    unpack_state(saved, {"live": again.state_dict()}, {"net": resumed})
    step(again, resumed, 2)
    for mine, theirs in zip(network.parameters(), again.parameters(), strict=True):
        assert torch.equal(mine, theirs)

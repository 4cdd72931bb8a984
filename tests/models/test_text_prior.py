import pytest
import torch

from lexipix.models.text_prior import TextPrior, WordToGridAttention


def make(memory=0):
    torch.manual_seed(0)
    return TextPrior(
        text_width=24, embed_dim=6, latent_channels=5, width=32, depth=2, noise_width=4, memory=memory
    ).eval()


@pytest.fixture(params=[0, 16], ids=["plain", "memory"])
def prior(request):
    prior = make(request.param)
    torch.nn.init.normal_(prior.outward.weight, std=0.2)  # beside a memory it starts at zero
    return prior


@pytest.fixture
def caption():
    """States of two captions, the second one shorter; their vectors; noise."""
    generator = torch.Generator().manual_seed(1)
    states, vector, noise = (torch.randn(*size, generator=generator) for size in ((2, 5, 24), (2, 6), (2, 4)))
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    return states, mask, torch.nn.functional.normalize(vector, dim=1), noise


@torch.no_grad()
def test_latents_lie_on_the_grid_of_the_vae(prior, caption):
    assert prior(*caption).shape == (2, 5, 8, 8)


@torch.no_grad()
def test_padding_changes_nothing(prior, caption):
    states, mask, vector, noise = caption
    longer_states = torch.cat([states, torch.randn(2, 4, 24)], dim=1)
    longer_mask = torch.cat([mask, torch.zeros(2, 4, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        prior(longer_states, longer_mask, vector, noise), prior(*caption), atol=1e-5, rtol=1e-5
    )


@torch.no_grad()
def test_a_caption_is_drawn_alike_alone_and_in_a_batch(prior, caption):
    alone = prior(*(part[1:] for part in caption))
    torch.testing.assert_close(alone, prior(*caption)[1:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("part", [0, 2, 3], ids=["states", "vector", "noise"])
@torch.no_grad()
def test_latents_depend_on_every_input(prior, caption, part):
    changed = list(caption)
    changed[part] = changed[part] + torch.randn_like(changed[part])
    assert not torch.allclose(prior(*changed), prior(*caption), atol=1e-3)


def test_every_weight_learns_after_the_first_updates(prior, caption):
    optimizer = torch.optim.SGD(prior.parameters(), 0.1)
    for _ in range(3):  # branches that start at zero hold back the gradient of what lies before them
        prior.zero_grad()
        prior(*caption).square().mean().backward()
        optimizer.step()
    still = [name for name, weight in prior.named_parameters() if not weight.grad.abs().sum() > 0]
    assert still == []


@torch.no_grad()
def test_with_a_memory_the_convolutions_start_as_nothing(caption):
    prior = make(memory=16)
    states, mask, vector, _ = caption
    assert torch.equal(prior(*caption), prior.memory(states, mask, vector))


@torch.no_grad()
def test_each_word_spreads_its_paint_over_the_cells():
    torch.manual_seed(0)
    painting = WordToGridAttention(32)
    words, mask = torch.randn(1, 3, 32), torch.tensor([[True, True, False]])
    # Attention over cells sums to one, and the grid's side scales it: the sum over cells is 8 times the paint
    expected = 8 * painting.paint(words)[:, :2].sum(1)
    torch.testing.assert_close(painting(words, mask).sum((2, 3)), expected, atol=1e-4, rtol=1e-4)

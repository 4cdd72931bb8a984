import pytest
import torch

from lexipix.models.text_prior import TextPrior, WordToGridAttention


def make():
    torch.manual_seed(0)
    return TextPrior(
        text_width=24,
        embed_dim=6,
        latent_channels=5,
        width=32,
        depth=2,
        noise_dim=4,
    ).eval()


def draw(prior, *encoding_and_noise):
    *encoding, noise = encoding_and_noise
    return prior.sample_latents(prior.condition(*encoding), noise)


@pytest.fixture
def prior():
    return make()


@pytest.fixture
def caption():
    """Hidden hidden_states of two captions, the second one shorter; mask; embeddings; noise."""
    generator = torch.Generator().manual_seed(1)
    hidden_states, embedding, noise = (
        torch.randn(*size, generator=generator) for size in ((2, 5, 24), (2, 6), (2, 4))
    )
    mask = torch.tensor([[True] * 5, [True] * 3 + [False] * 2])
    return hidden_states, mask, torch.nn.functional.normalize(embedding, dim=1), noise


@torch.no_grad()
def test_latents_lie_on_the_grid_of_the_vae(prior, caption):
    assert draw(prior, *caption).shape == (2, 5, 8, 8)


@torch.no_grad()
def test_padding_changes_nothing(prior, caption):
    hidden_states, mask, embedding, noise = caption
    longer_hidden_states = torch.cat([hidden_states, torch.randn(2, 4, 24)], dim=1)
    longer_mask = torch.cat([mask, torch.zeros(2, 4, dtype=torch.bool)], dim=1)
    torch.testing.assert_close(
        draw(prior, longer_hidden_states, longer_mask, embedding, noise),
        draw(prior, *caption),
        atol=1e-5,
        rtol=1e-5,
    )


@torch.no_grad()
def test_latents_do_not_depend_on_the_batch(prior, caption):
    alone = draw(prior, *(part[1:] for part in caption))
    torch.testing.assert_close(alone, draw(prior, *caption)[1:], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("part", [0, 2, 3], ids=["hidden_states", "embedding", "noise"])
@torch.no_grad()
def test_latents_depend_on_every_input(prior, caption, part):
    changed = list(caption)
    changed[part] = changed[part] + torch.randn_like(changed[part])
    assert not torch.allclose(draw(prior, *changed), draw(prior, *caption), atol=1e-3)


def test_every_weight_gets_gradients_after_the_first_updates(prior, caption):
    optimizer = torch.optim.SGD(prior.parameters(), 0.1)
    for _ in range(3):  # branches that start at zero block gradients at first
        prior.zero_grad()
        draw(prior, *caption).square().mean().backward()
        optimizer.step()
    without_gradient = [name for name, weight in prior.named_parameters() if not weight.grad.abs().sum() > 0]
    assert without_gradient == []


@torch.no_grad()
def test_each_token_distributes_its_value_over_the_cells():
    torch.manual_seed(0)
    attention = WordToGridAttention(32)
    tokens, mask = torch.randn(1, 3, 32), torch.tensor([[True, True, False]])
    # Weights over the cells sum to one, times the grid's side: the sum over the cells is 8 times the value
    expected = 8 * attention.value(tokens)[:, :2].sum(1)
    torch.testing.assert_close(attention(tokens, mask).sum((2, 3)), expected, atol=1e-4, rtol=1e-4)

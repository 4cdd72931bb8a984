import pytest
import torch

from lexipix.models.decoding_step import fold_cross_attention, next_token_logits
from lexipix.models.language_model import small_gpt2

EOS, VOCABULARY, LENGTH = 1, 19, 6


@pytest.fixture
def model():
    """A model with biases and a strong dependence on the cells."""
    torch.manual_seed(0)
    one = small_gpt2(VOCABULARY, LENGTH + 1, 64, 3, EOS).eval()
    with torch.no_grad():
        for weight in one.parameters():
            weight.add_(torch.randn_like(weight) * (0.3 if weight.ndim == 1 else 0.15))
    return one


@torch.no_grad()
def logits_step_by_step(model, ids, cells):
    """The logits (B, L, V) of single steps, each with the keys and values of the steps before."""
    layers, cache, logits = fold_cross_attention(model), {}, []

    def update_cache(layer, key, value):
        old = cache.get(layer, ())
        parts = zip(old or (key[:, :, None, :][:, :, :0],) * 2, (key, value), strict=True)
        cache[layer] = tuple(torch.cat([before, new.unsqueeze(2)], 2) for before, new in parts)
        return cache[layer]

    for position in range(ids.shape[1]):
        embeddings = model.transformer.wte.weight[ids[:, position]] + model.transformer.wpe.weight[position]
        logits.append(next_token_logits(model, layers, embeddings, cells, update_cache))
    return torch.stack(logits, 1)


@pytest.mark.parametrize("n_texts", [1, 5])
def test_steps_give_the_logits_of_the_whole_model(model, n_texts):
    generator = torch.Generator().manual_seed(n_texts)
    cells = 3 * torch.randn(n_texts, 9, 64, generator=generator)
    ids = torch.randint(0, VOCABULARY, (n_texts, LENGTH), generator=generator)
    with torch.no_grad():
        expected = model(input_ids=ids, encoder_hidden_states=cells).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(logits_step_by_step(model, ids, cells), expected, atol=1e-4, rtol=1e-4)

import pytest
import torch

from lexipix.models.greedy import greedy_decode
from lexipix.models.language_model import small_gpt2

PAD, EOS, START, VOCABULARY, LONGEST = 0, 1, 2, 19, 12
ENDS = {"start_id": START, "pad_id": PAD, "eos_id": EOS}


@pytest.fixture
def model():
    """A model whose texts differ in length: with biases, and a strong dependence on the cells."""
    torch.manual_seed(0)
    one = small_gpt2(VOCABULARY, LONGEST + 1, 64, 3, EOS).eval()
    with torch.no_grad():
        for weight in one.parameters():
            weight.add_(torch.randn_like(weight) * (0.3 if weight.ndim == 1 else 0.15))
        head = torch.nn.Linear(64, VOCABULARY, bias=False)
        head.weight.normal_()
        one.set_output_embeddings(head)
    return one


def generate(model, cells, longest=LONGEST):
    start = torch.full((len(cells), 1), START)
    ids = model.generate(
        input_ids=start, encoder_hidden_states=cells, attention_mask=torch.ones_like(start),
        max_new_tokens=longest, do_sample=False, pad_token_id=PAD, eos_token_id=EOS, bos_token_id=START,
    )  # fmt: skip
    return ids[:, 1:]


def test_the_texts_are_those_of_generate_of_transformers(model):
    cells = 3 * torch.randn(96, 9, 64, generator=torch.Generator().manual_seed(1))
    decoded, expected = greedy_decode(model, cells, LONGEST, **ENDS), generate(model, cells)
    lengths = (expected != PAD).sum(1)
    assert len(lengths.unique()) > 3, "finished texts leave the batch at different times"
    assert torch.equal(decoded, expected)


@pytest.mark.parametrize("n_texts", [1, 2])
def test_few_texts_give_the_same_result(model, n_texts):
    cells = 3 * torch.randn(n_texts, 9, 64, generator=torch.Generator().manual_seed(2))
    assert torch.equal(greedy_decode(model, cells, LONGEST, **ENDS), generate(model, cells))


def test_texts_are_cut_at_max_tokens(model):
    cells = 3 * torch.randn(16, 9, 64, generator=torch.Generator().manual_seed(3))
    decoded = greedy_decode(model, cells, 2, **ENDS)
    assert decoded.shape == (16, 2)
    assert torch.equal(decoded, greedy_decode(model, cells, LONGEST, **ENDS)[:, :2])


def test_decoding_ends_when_all_texts_have_ended(model):
    with torch.no_grad():
        model.lm_head.weight.zero_()[EOS] = 1000 * model.transformer.ln_f.bias.sign()
    cells = torch.zeros(3, 9, 64)
    assert torch.equal(greedy_decode(model, cells, LONGEST, **ENDS), generate(model, cells))


def test_an_empty_batch_gives_no_texts(model):
    assert greedy_decode(model, torch.zeros(0, 9, 64), LONGEST, **ENDS).shape[0] == 0

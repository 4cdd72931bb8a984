import math

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

from lexipix.models.captioner import Captioner
from lexipix.models.image_encoder import ConvImageEncoder
from lexipix.models.language_model import language_model_from_config, small_gpt2

PAD, EOS, START, VOCABULARY, LENGTH = 0, 1, 2, 23, 9


def language_model(family):
    if family == "own":
        return small_gpt2(VOCABULARY, LENGTH + 1, 32, 2, EOS)
    ends = {"bos_token_id": START, "eos_token_id": EOS}
    if family == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=VOCABULARY, n_positions=40, n_embd=32, n_layer=2, n_head=2, **ends)
        )
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=40, **ends,
        )
    )  # fmt: skip


@pytest.fixture(params=["own", "gpt2", "llama"])
def captioner(request):
    torch.manual_seed(2)  # captions that differ between images and do not end at once
    one = Captioner(
        ConvImageEncoder((4, 8, 8), (0, 0, 0), 8), language_model(request.param),
        "cross_attention" if request.param == "own" else "prefix", 64, start_id=START, pad_id=PAD, eos_id=EOS,
    )  # fmt: skip
    with torch.no_grad():  # random weights all say the same; make words and picture count
        for weight in one.language_model.parameters():
            if weight.ndim == 2:
                weight.mul_(8)
        head = torch.nn.Linear(32, VOCABULARY, bias=False)
        head.weight.normal_()
        one.language_model.set_output_embeddings(head)
        one.language_model.get_input_embeddings().weight.normal_()
        one.adapter[1].weight.normal_()
    return one.eval()


@pytest.fixture
def images():
    """Plain colors, which even a random network distinguishes."""
    colors = torch.rand(6, 3, 1, 1, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return colors.expand(6, 3, 32, 32).contiguous()


def greedy_without_cache(captioner, images, max_tokens):
    """Greedy decoding without a cache."""
    cells = captioner.encode_images(images)
    ids = torch.full((len(images), max_tokens), PAD)
    done = torch.zeros(len(images), dtype=torch.bool)
    for position in range(max_tokens):
        best = captioner.logits(ids[:, : position + 1], cells)[:, position].argmax(-1)
        ids[:, position] = torch.where(done, PAD, best)
        done |= best == EOS
    return ids


def test_greedy_decoding_with_a_cache_gives_the_same_captions(captioner, images):
    written = captioner.generate(images, LENGTH)
    with torch.no_grad():
        expected = greedy_without_cache(captioner, images, LENGTH)
    assert torch.equal(written, expected[:, : written.shape[1]])
    assert (expected[:, written.shape[1] :] == PAD).all()
    assert len({tuple(row) for row in written.tolist()}) > 1, "the picture counts"


def test_a_batch_of_one_gives_the_same_caption(captioner, images):
    together = captioner.generate(images, LENGTH)
    for row in range(3):
        alone = captioner.generate(images[row : row + 1], LENGTH)[0]
        assert torch.equal(together[row, : len(alone)], alone)


def score(captioner, images, ids):
    """Log-likelihood of each caption without padding."""
    logits = captioner.logits(ids, captioner.encode_images(images)).log_softmax(-1)
    chosen = logits.gather(-1, ids.unsqueeze(-1)).squeeze(-1)
    return (chosen * (ids != PAD)).sum(1)


def test_beam_search_finds_captions_at_least_as_likely(captioner, images):
    with torch.no_grad():
        greedy = score(captioner, images, captioner.generate(images, 4))
        searched = score(captioner, images, captioner.generate(images, 4, beams=VOCABULARY))
    # the search compares by length, as transformers does; at equal length it can only win
    assert (searched >= greedy - 1e-4).sum() >= 5


def test_padding_does_not_count_in_the_loss(captioner, images):
    ids = torch.tensor([[5, 6, EOS, PAD, PAD]])
    cells = captioner.encode_images(images[:1])
    with torch.no_grad():
        padded, plain = (captioner.loss(one, cells) for one in (ids, ids[:, :3]))
        by_hand = -score(captioner, images[:1], ids[:, :3]) / 3
    assert torch.allclose(padded, plain, atol=1e-5) and torch.allclose(plain, by_hand, atol=1e-5)


def test_logits_depend_only_on_earlier_tokens(captioner, images):
    cells = captioner.encode_images(images[:1])
    one, other = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[5, 6, 9, 4]])
    with torch.no_grad():
        a, b = captioner.logits(one, cells), captioner.logits(other, cells)
    assert torch.allclose(a[:, :3], b[:, :3], atol=1e-5)
    assert not torch.allclose(a[:, 3], b[:, 3], atol=1e-3)


def test_the_language_model_runs_without_an_image(captioner):
    ids = torch.tensor([[5, 6, EOS, PAD], [7, EOS, PAD, PAD]])
    with torch.no_grad():
        logits, alone = captioner.logits(ids, None), captioner.logits(ids[1:, :2], None)
    assert logits.shape == (2, 4, VOCABULARY)
    assert torch.allclose(logits[1, :2], alone[0], atol=1e-5), "padding changes nothing"


def test_attention_has_a_weight_for_each_token_and_cell(captioner, images):
    ids = captioner.generate(images[:2], LENGTH)
    before = captioner.language_model.config._attn_implementation
    maps = captioner.attention(images[:2], ids)
    cells = 64 if captioner.conditioning == "cross_attention" else 16
    assert maps.shape == (*ids.shape, cells)
    assert torch.allclose(maps.sum(-1), torch.ones(ids.shape), atol=1e-4) and (maps >= 0).all()
    assert captioner.language_model.config._attn_implementation == before
    assert not torch.allclose(maps[0], maps[1], atol=1e-4), "another picture, another look"


def test_a_language_model_is_rebuilt_from_its_config():
    model = small_gpt2(VOCABULARY, 10, 32, 2, EOS)
    again = language_model_from_config(model.config.to_dict())
    again.load_state_dict(model.state_dict())
    ids = torch.tensor([[3, 4]])
    with torch.no_grad():
        assert torch.equal(again.eval()(ids).logits, model.eval()(ids).logits)


@torch.no_grad()
def test_description_bits_are_the_negative_log2_probability(captioner):
    ids = torch.tensor([[5, 6, EOS, PAD], [7, 8, 9, EOS]])
    lengths = captioner.description_bits(ids)
    alone = captioner.description_bits(ids[:1, :3])
    assert float(alone) == pytest.approx(float(lengths[0]), rel=1e-5), "padding costs nothing"
    shares = captioner.logits(ids, None).softmax(-1)
    product = shares[1, 0, 7] * shares[1, 1, 8] * shares[1, 2, 9] * shares[1, 3, EOS]
    assert float(lengths[1]) == pytest.approx(float(-product.log2()), rel=1e-4)
    n_tokens = int((ids != PAD).sum())
    assert float(lengths.sum()) == pytest.approx(
        float(captioner.loss(ids, None)) * n_tokens / math.log(2), rel=1e-4
    )

import math

import pytest
import torch

from lexipix.models.image_tokenizer import ImageTokenizer, code_values
from lexipix.models.language_model import small_gpt2
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.token_generator import (
    CELLS,
    HintedTextEncoding,
    TokenGenerator,
    cosine_features,
    straight_through,
)
from lexipix.models.tokens_to_image import PriorHint, TokensToImage

LEVELS = [[4, 3, 2], [3, 3], [2, 2]]
PAD, EOS = 0, 1
TEXT_WIDTH, EMBED_DIM = 32, 6


@pytest.fixture
def generator():
    torch.manual_seed(0)
    model = small_gpt2(20 + 24 + 9 + 4 + 3, 10 + CELLS, 32, 1, EOS, cross_attention=False)
    generator = TokenGenerator(model, LEVELS, (1, 2), 1, TEXT_WIDTH, EMBED_DIM, PAD)
    for layers in (
        generator.conv_in,
        generator.conv_out,
    ):  # as after some training: the branches start at zero
        torch.nn.init.normal_(layers[0].second.weight, std=0.1)
    return generator.eval()


@pytest.fixture
def ids():
    return torch.tensor([[5, 6, EOS, PAD], [7, EOS, PAD, PAD], [8, 9, 10, EOS]])


def test_cosine_features_describe_where_a_code_lies():
    found = cosine_features([2, 3])
    assert found.shape == (6, 1 + 2 + 1 * 2)
    low, high = math.cos(math.pi / 4), math.cos(math.pi / 6)
    assert found[0].tolist() == pytest.approx([low, high, 0.5, low * high, low * 0.5])
    assert found[5].tolist() == pytest.approx([-low, -high, 0.5, low * high, -low * 0.5])
    assert torch.linalg.matrix_rank(found) == 5


def test_a_logit_linear_in_the_features_can_favor_a_token_and_its_neighbors():
    """Weights of ordinary size make a narrow bump around the ninth of 28 levels."""
    features = cosine_features([28])
    wish = torch.exp(-0.5 * ((torch.arange(28) - 9) / 1.5) ** 2)
    weights = torch.linalg.lstsq(features, wish - wish.mean()).solution
    assert weights.abs().max() < 0.3
    assert int((features @ weights).argmax()) == 9


@pytest.fixture
def encoding(ids):
    torch.manual_seed(4)
    return HintedTextEncoding(
        ids, torch.randn(3, 4, TEXT_WIDTH), torch.nn.functional.normalize(torch.randn(3, 6), dim=1)
    )


@pytest.fixture
def noise(generator):
    return torch.randn(3, generator.noise_dim, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def whole(generator):
    torch.manual_seed(1)
    image_tokenizer = ImageTokenizer(16, LEVELS, 8, 1)
    return TokensToImage(TextEncoder(20, 10, TEXT_WIDTH, 1, EMBED_DIM), generator, image_tokenizer).eval()


def close(images, others):
    """Equal but for the order of sums, which threads may change."""
    return torch.allclose(images, others, atol=1e-5)


def generate(generator, encoding, noise, given=None):
    chosen = generator.sample_tokens(
        encoding, noise, generator.masked_tokens(len(encoding.ids)) if given is None else given
    )
    assert all(set(choice.unique().tolist()) <= {0.0, 1.0} for choice in chosen)
    return torch.stack([choice.argmax(-1) for choice in chosen], 1)


@torch.no_grad()
def test_cells_attend_to_the_caption_and_to_each_other(generator, encoding, noise):
    tokens = torch.zeros(3, 3, CELLS, dtype=torch.long)

    def hidden_states(encoding, tokens=tokens, noise=noise):
        return generator.encode_cells(encoding, generator.embed_cells(encoding, noise, tokens))

    before = hidden_states(encoding)
    other = tokens.clone()
    other[:, 0, 63] = 5
    changed = (hidden_states(encoding, other) - before).abs().amax(-1)
    assert changed.min() > 1e-6, "every cell attends to the last one"
    shorter = HintedTextEncoding(encoding.ids[:, :3], encoding.hidden_states[:, :3], encoding.embedding)
    assert (hidden_states(shorter)[:2] - before[:2]).abs().max() < 1e-5, "padding is masked"
    for field in ("ids", "hidden_states", "embedding"):
        changed = encoding._replace(**{field: getattr(encoding, field).flip(0)})
        assert (hidden_states(changed) - before)[0].abs().max() > 1e-4, (
            f"every part of the encoding matters: {field}"
        )


@torch.no_grad()
def test_caption_tokens_attend_causally_and_to_no_cell(generator, ids):
    """The hidden states of a caption are those of the language model alone, so its training stays valid."""
    seen = generator._attention_mask(ids != PAD)
    assert seen[0, 0, :4, :4].tolist() == [
        [True, False, False, False], [True, True, False, False],
        [True, True, True, False], [True, True, True, False],
    ]  # fmt: skip
    assert not seen[:, :, :4, 4:].any() and seen[:, :, 4:, 4:].all()


@torch.no_grad()
def test_all_tokens_are_generated_and_do_not_depend_on_the_rest_of_the_batch(generator, encoding, noise):
    tokens = generate(generator, encoding, noise)
    for codebook, size in enumerate(generator.codebook_sizes):
        assert int(tokens[:, codebook].min()) >= 0 and int(tokens[:, codebook].max()) < size
    alone = HintedTextEncoding(
        encoding.ids[1:2, :2], encoding.hidden_states[1:2, :2], encoding.embedding[1:2]
    )
    assert torch.equal(generate(generator, alone, noise[1:2]), tokens[1:2])
    assert not torch.equal(generate(generator, encoding, 9 * noise), tokens)


@torch.no_grad()
def test_the_language_model_runs_once_per_decoding_step(generator, encoding, noise, monkeypatch):
    n_read, encode_cells = [], TokenGenerator.encode_cells
    monkeypatch.setattr(
        TokenGenerator, "encode_cells", lambda *given: n_read.append(1) or encode_cells(*given)
    )
    tokens = generate(generator, encoding, noise)
    assert len(n_read) == 2
    given = generator.masked_tokens(3)
    given[:, 0] = tokens[:, 0]
    assert torch.equal(generate(generator, encoding, noise, given), tokens)
    assert len(n_read) == 3, "given tokens need no pass"
    assert torch.equal(generate(generator, encoding, -noise, tokens), tokens) and len(n_read) == 3


@torch.no_grad()
def test_given_tokens_stay_and_masked_tokens_are_generated(generator, encoding, noise):
    given = generator.masked_tokens(3)
    given[:, 0, ::2] = torch.arange(32) % 24
    given[:, 2, 5] = 3
    tokens = generate(generator, encoding, noise, given)
    assert torch.equal(tokens[:, 0, ::2], given[:, 0, ::2]) and (tokens[:, 2, 5] == 3).all()
    for codebook, size in enumerate(generator.codebook_sizes):
        assert int(tokens[:, codebook].min()) >= 0 and int(tokens[:, codebook].max()) < size
    # Known tokens give the same cell inputs whether they were given or generated
    cells = generator.embed_cells(encoding, noise, tokens)
    torch.testing.assert_close(cells, generator.embed_cells(encoding, noise, tokens.clone()))


def test_gradients_pass_straight_through_a_choice():
    logits = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    choice = straight_through(logits, code_values([3]), [3])
    assert choice.tolist() == [[0, 1, 0]]
    value = torch.tensor([1.0, 2.0, 4.0])
    (choice * value).sum().backward()
    probs = logits.detach().softmax(-1)
    expected = probs * (value - (probs * value).sum())
    torch.testing.assert_close(logits.grad, expected)


@torch.no_grad()
def test_the_token_nearest_to_the_expected_code_is_chosen():
    """Four light shades with probability 0.1 each move the choice away from the most likely, dark one."""
    probs = torch.tensor([0.3, 0.3, 0, 0, 0, 0, 0.1, 0.1, 0.1, 0.1])
    assert int(probs.argmax()) == 0
    assert int(straight_through(probs.log(), code_values([10]), [10]).argmax()) == 3
    certain = torch.full((24,), -50.0)
    certain[17] = 50.0
    assert int(straight_through(certain, code_values([4, 3, 2]), [4, 3, 2]).argmax()) == 17


def test_each_cell_gets_the_prior_hint_of_its_place(ids, noise):
    torch.manual_seed(2)
    model = small_gpt2(20 + 24 + 9 + 4 + 3, 10 + CELLS, 32, 1, EOS, cross_attention=False)
    generator = TokenGenerator(model, LEVELS, (1, 2), 0, TEXT_WIDTH, EMBED_DIM, PAD, prior_hint_channels=5)
    prior = TextPrior(32 + TEXT_WIDTH, EMBED_DIM, 5, 32, 1, 3)
    reader = small_gpt2(20, 10, 32, 1, EOS, cross_attention=False)
    encoder = TextEncoder(20, 10, TEXT_WIDTH, 1, EMBED_DIM)
    whole = TokensToImage(
        encoder, generator, ImageTokenizer(16, LEVELS, 8, 1), PriorHint(reader, prior)
    ).eval()
    encoding = whole.encode_text(ids)
    assert encoding.prior_hint is not None and encoding.prior_hint.shape == (3, CELLS, 5)
    states = reader.base_model(input_ids=ids, attention_mask=(ids != PAD).long())[0]
    both = torch.cat([states, encoding.hidden_states], -1)
    conditioning = prior.condition(both, ids != PAD, encoding.embedding)
    latents = prior.sample_latents(conditioning, torch.zeros(3, 3))
    assert torch.allclose(encoding.prior_hint[:, 9], latents[:, :, 1, 1], atol=1e-6)
    blank = generator.masked_tokens(3)
    other = encoding._replace(prior_hint=encoding.prior_hint + torch.eye(CELLS)[9][None, :, None])
    moved = (
        generator.embed_cells(other, noise, blank) - generator.embed_cells(encoding, noise, blank)
    ).abs().amax((0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [9]
    whole.train().unfreeze()
    whole.decode(whole.encode_text(ids), noise).square().mean().backward()
    assert generator.prior_hint_proj.weight.grad.any() and all(
        w.grad is None for w in whole.prior_hint.parameters()
    )
    assert not whole.prior_hint.training


def test_gradients_of_an_image_reach_every_weight_of_the_token_generator(whole, ids, noise):
    """The frozen parts get no gradients."""
    weights = whole.train().unfreeze()
    whole.decode(whole.encode_text(ids), noise).square().mean().backward()
    generator = dict(whole.token_generator.named_parameters())
    without_gradient = {
        name for name, weight in generator.items() if weight.grad is None or not weight.grad.any()
    }
    assert without_gradient == {f"level_features.{i}" for i in range(3)}
    assert len(weights) == len(generator) - 3
    assert all(
        w.grad is None for part in (whole.text_encoder, whole.image_tokenizer) for w in part.parameters()
    )


@torch.no_grad()
def test_masked_tokens_are_decoded_as_the_mean_code(generator, whole, ids, noise):
    image_tokenizer = whole.image_tokenizer
    tokens = whole.complete(generator.masked_tokens(3), ids, noise)
    codes = image_tokenizer.codes(tokens)
    assert close(whole.decode_tokens(tokens), image_tokenizer.decode(codes))
    some = generator.masked_tokens(3)
    some[:, :2] = tokens[:, :2]
    assert close(whole.decode_tokens(some), image_tokenizer.decode(codes, n_tokens=2))
    some[:, :, :63] = generator.masked_tokens(3)[:, :, :63]
    zeros = torch.zeros_like(codes)
    zeros[:, :5, 7, 7] = codes[:, :5, 7, 7]  # three codes of the first token, two of the second
    assert close(whole.decode_tokens(some), image_tokenizer.decode(zeros))


@torch.no_grad()
def test_the_whole_model_generates_images(generator, whole, ids, noise):
    assert whole.noise_dim == noise.shape[1] == 64 + 8 * CELLS
    tokens = whole.complete(generator.masked_tokens(3), ids, noise)
    expected = whole.image_tokenizer.decode(whole.image_tokenizer.codes(tokens))
    assert whole(ids, noise).shape == (3, 3, 16, 16) and close(whole(ids, noise), expected)
    whole.train()
    assert (
        not whole.image_tokenizer.training
        and not whole.text_encoder.training
        and whole.token_generator.training
    )

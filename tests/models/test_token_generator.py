import math

import pytest
import torch

from lexipix.models.captioner import small_gpt2
from lexipix.models.image_tokenizer import ImageTokenizer, meanings
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.token_generator import CELLS, Heard, TokenGenerator, features_of_words, straight_through
from lexipix.models.tokens_to_image import Sketch, TokensToImage

LEVELS = [[4, 3, 2], [3, 3], [2, 2]]
PAD, EOS = 0, 1
TEXT_WIDTH, VECTOR_WIDTH = 32, 6


@pytest.fixture
def writer():
    torch.manual_seed(0)
    model = small_gpt2(20 + 24 + 9 + 4 + 3, 10 + CELLS, 32, 1, EOS, cross_attention=False)
    writer = TokenGenerator(model, LEVELS, (1, 2), 1, TEXT_WIDTH, VECTOR_WIDTH, PAD)
    for layers in (writer.before, writer.behind):  # as after some training: the branches start as nothing
        torch.nn.init.normal_(layers[0].second.weight, std=0.1)
    return writer.eval()


@pytest.fixture
def ids():
    return torch.tensor([[5, 6, EOS, PAD], [7, EOS, PAD, PAD], [8, 9, 10, EOS]])


def test_features_of_a_word_say_where_it_lies():
    found = features_of_words([2, 3])
    assert found.shape == (6, 1 + 2 + 1 * 2)
    low, high = math.cos(math.pi / 4), math.cos(math.pi / 6)
    assert found[0].tolist() == pytest.approx([low, high, 0.5, low * high, low * 0.5])
    assert found[5].tolist() == pytest.approx([-low, -high, 0.5, low * high, -low * 0.5])
    assert torch.linalg.matrix_rank(found) == 5


def test_a_score_of_features_can_favour_a_word_and_its_neighbours():
    """Weights of ordinary size draw a narrow bump around the ninth of 28 levels."""
    features = features_of_words([28])
    wish = torch.exp(-0.5 * ((torch.arange(28) - 9) / 1.5) ** 2)
    weights = torch.linalg.lstsq(features, wish - wish.mean()).solution
    assert weights.abs().max() < 0.3
    assert int((features @ weights).argmax()) == 9


@pytest.fixture
def heard(ids):
    torch.manual_seed(4)
    return Heard(ids, torch.randn(3, 4, TEXT_WIDTH), torch.nn.functional.normalize(torch.randn(3, 6), dim=1))


@pytest.fixture
def noise(writer):
    return torch.randn(3, writer.noise_width, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def whole(writer):
    torch.manual_seed(1)
    image_tokenizer = ImageTokenizer(16, LEVELS, 8, 1)
    return TokensToImage(TextEncoder(20, 10, TEXT_WIDTH, 1, VECTOR_WIDTH), writer, image_tokenizer).eval()


def close(images, others):
    """Equal but for the order of sums, which threads may change."""
    return torch.allclose(images, others, atol=1e-5)


def written(writer, heard, noise, given=None):
    chosen = writer.choose(heard, noise, writer.blank(len(heard.ids)) if given is None else given)
    assert all(set(choice.unique().tolist()) <= {0.0, 1.0} for choice in chosen)
    return torch.stack([choice.argmax(-1) for choice in chosen], 1)


@torch.no_grad()
def test_cells_see_the_caption_and_one_another(writer, heard, noise):
    words = torch.zeros(3, 3, CELLS, dtype=torch.long)

    def read(heard, words=words, noise=noise):
        return writer.read(heard, writer.cells(heard, noise, words))

    before = read(heard)
    other = words.clone()
    other[:, 0, 63] = 5
    changed = (read(heard, other) - before).abs().amax(-1)
    assert changed.min() > 1e-6, "every cell sees the last one"
    shorter = Heard(heard.ids[:, :3], heard.states[:, :3], heard.vector)
    assert (read(shorter)[:2] - before[:2]).abs().max() < 1e-5, "padding is not seen"
    for field in ("ids", "states", "vector"):
        changed = heard._replace(**{field: getattr(heard, field).flip(0)})
        assert (read(changed) - before)[0].abs().max() > 1e-4, f"another caption, another picture: {field}"


@torch.no_grad()
def test_tokens_are_read_as_without_a_picture(writer, ids):
    """A caption's states are those of the language model alone: what it has learned of them stays true."""
    seen = writer._seen(ids != PAD, torch.arange(4 + CELLS))
    assert seen[0, 0, :4, :4].tolist() == [
        [True, False, False, False], [True, True, False, False],
        [True, True, True, False], [True, True, True, False],
    ]  # fmt: skip
    assert not seen[:, :, :4, 4:].any() and seen[:, :, 4:, 4:].all()


@torch.no_grad()
def test_every_word_is_written_whatever_is_drawn_beside_it(writer, heard, noise):
    words = written(writer, heard, noise)
    for place, size in enumerate(writer.codebooks):
        assert int(words[:, place].min()) >= 0 and int(words[:, place].max()) < size
    alone = Heard(heard.ids[1:2, :2], heard.states[1:2, :2], heard.vector[1:2])
    assert torch.equal(written(writer, alone, noise[1:2]), words[1:2])
    assert not torch.equal(written(writer, heard, 9 * noise), words)


@torch.no_grad()
def test_words_are_written_in_as_many_readings_as_there_are_passes(writer, heard, noise, monkeypatch):
    n_read, read = [], TokenGenerator.read
    monkeypatch.setattr(TokenGenerator, "read", lambda *given: n_read.append(1) or read(*given))
    words = written(writer, heard, noise)
    assert len(n_read) == 2
    given = writer.blank(3)
    given[:, 0] = words[:, 0]
    assert torch.equal(written(writer, heard, noise, given), words)
    assert len(n_read) == 3, "what is given takes no reading"
    assert torch.equal(written(writer, heard, -noise, words), words) and len(n_read) == 3


@torch.no_grad()
def test_given_words_stay_and_all_others_are_written(writer, heard, noise):
    given = writer.blank(3)
    given[:, 0, ::2] = torch.arange(32) % 24
    given[:, 2, 5] = 3
    words = written(writer, heard, noise, given)
    assert torch.equal(words[:, 0, ::2], given[:, 0, ::2]) and (words[:, 2, 5] == 3).all()
    for place, size in enumerate(writer.codebooks):
        assert int(words[:, place].min()) >= 0 and int(words[:, place].max()) < size
    # Of words that are known the cells hold the same whether they were given or written
    cells = writer.cells(heard, noise, words)
    torch.testing.assert_close(cells, writer.cells(heard, noise, words.clone()))


def test_gradients_pass_straight_through_a_choice():
    scores = torch.tensor([[1.0, 3.0, 2.0]], requires_grad=True)
    choice = straight_through(scores, meanings([3]), [3])
    assert choice.tolist() == [[0, 1, 0]]
    worth = torch.tensor([1.0, 2.0, 4.0])
    (choice * worth).sum().backward()
    shares = scores.detach().softmax(-1)
    expected = shares * (worth - (shares * worth).sum())
    torch.testing.assert_close(scores.grad, expected)


@torch.no_grad()
def test_the_word_is_chosen_that_is_nearest_to_the_mean():
    """A light cell with probability 0.4, in four shades of it, is no dark one."""
    shares = torch.tensor([0.3, 0.3, 0, 0, 0, 0, 0.1, 0.1, 0.1, 0.1])
    assert int(shares.argmax()) == 0
    assert int(straight_through(shares.log(), meanings([10]), [10]).argmax()) == 3
    certain = torch.full((24,), -50.0)
    certain[17] = 50.0
    assert int(straight_through(certain, meanings([4, 3, 2]), [4, 3, 2]).argmax()) == 17


def test_each_cell_hears_what_is_sketched_there(ids, noise):
    torch.manual_seed(2)
    model = small_gpt2(20 + 24 + 9 + 4 + 3, 10 + CELLS, 32, 1, EOS, cross_attention=False)
    writer = TokenGenerator(model, LEVELS, (1, 2), 0, TEXT_WIDTH, VECTOR_WIDTH, PAD, sketch_channels=5)
    prior = TextPrior(32 + TEXT_WIDTH, VECTOR_WIDTH, 5, 32, 1, 3)
    reader = small_gpt2(20, 10, 32, 1, EOS, cross_attention=False)
    encoder = TextEncoder(20, 10, TEXT_WIDTH, 1, VECTOR_WIDTH)
    whole = TokensToImage(encoder, writer, ImageTokenizer(16, LEVELS, 8, 1), Sketch(reader, prior)).eval()
    heard = whole.read(ids)
    assert heard.sketch is not None and heard.sketch.shape == (3, CELLS, 5)
    states = reader.base_model(input_ids=ids, attention_mask=(ids != PAD).long())[0]
    both = torch.cat([states, heard.states], -1)
    latents = prior(both, ids != PAD, heard.vector, torch.zeros(3, 3))
    assert torch.allclose(heard.sketch[:, 9], latents[:, :, 1, 1], atol=1e-6)
    blank = writer.blank(3)
    other = heard._replace(sketch=heard.sketch + torch.eye(CELLS)[9][None, :, None])
    moved = (writer.cells(other, noise, blank) - writer.cells(heard, noise, blank)).abs().amax((0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [9]
    whole.train().release()
    whole.draw(whole.read(ids), noise).square().mean().backward()
    assert writer.sketch.weight.grad.any() and all(w.grad is None for w in whole.sketch.parameters())
    assert not whole.sketch.training


def test_a_drawing_tells_the_writer_what_it_lacks(whole, ids, noise):
    """Every weight of the writer hears of the picture, the frozen rest does not."""
    weights = whole.train().release()
    whole.draw(whole.read(ids), noise).square().mean().backward()
    writer = dict(whole.writer.named_parameters())
    silent = {name for name, weight in writer.items() if weight.grad is None or not weight.grad.any()}
    assert silent == {"known.0", "known.1", "known.2"}
    assert len(weights) == len(writer) - 3
    assert all(
        w.grad is None for part in (whole.text_encoder, whole.image_tokenizer) for w in part.parameters()
    )


@torch.no_grad()
def test_what_is_not_written_is_taken_for_average(writer, whole, ids, noise):
    image_tokenizer = whole.image_tokenizer
    words = whole.complete(writer.blank(3), ids, noise)
    numbers = image_tokenizer.numbers(words)
    assert close(whole.picture(words), image_tokenizer.picture(numbers))
    some = writer.blank(3)
    some[:, :2] = words[:, :2]
    assert close(whole.picture(some), image_tokenizer.picture(numbers, known=2))
    some[:, :, :63] = writer.blank(3)[:, :, :63]
    zeros = torch.zeros_like(numbers)
    zeros[:, :5, 7, 7] = numbers[:, :5, 7, 7]  # three numbers of the first word, two of the second
    assert close(whole.picture(some), image_tokenizer.picture(zeros))


@torch.no_grad()
def test_a_whole_model_draws_pictures(writer, whole, ids, noise):
    assert whole.noise_width == noise.shape[1] == 64 + 8 * CELLS
    words = whole.complete(writer.blank(3), ids, noise)
    expected = whole.image_tokenizer.picture(whole.image_tokenizer.numbers(words))
    assert whole(ids, noise).shape == (3, 3, 16, 16) and close(whole(ids, noise), expected)
    whole.train()
    assert not whole.image_tokenizer.training and not whole.text_encoder.training and whole.writer.training

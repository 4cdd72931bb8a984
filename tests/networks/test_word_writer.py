import math

import pytest
import torch

from lexipix.networks.captioner import small_gpt2
from lexipix.networks.visual_words import VisualWords
from lexipix.networks.word_writer import CELLS, WordWriter, draw_words, features_of_words
from lexipix.networks.words_to_image import WordsToImage

LEVELS = [[4, 3, 2], [3, 3], [2, 2]]
PAD, EOS = 0, 1
STEPS, GUIDANCE, TEMPERATURES = (3, 2, 1), (1.5, 0.5, 0.0), (1.0, 0.9, 0.8)


@pytest.fixture
def writer():
    torch.manual_seed(0)
    model = small_gpt2(20 + 24 + 9 + 4 + 3, 10 + CELLS, 32, 1, EOS, cross_attention=False)
    writer = WordWriter(model, LEVELS, 1, PAD, EOS)
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


@torch.no_grad()
def test_cells_see_the_caption_and_one_another(writer, ids):
    words = torch.zeros(3, 3, CELLS, dtype=torch.long)
    before = writer.read(ids, words)
    other = words.clone()
    other[:, 0, 63] = 5
    changed = (writer.read(ids, other) - before).abs().amax(-1)
    assert changed.min() > 1e-6, "every cell sees the last one"
    assert (writer.read(ids[:, :3], words)[:2] - before[:2]).abs().max() < 1e-5, "padding is not seen"
    assert (writer.read(ids.flip(0), words) - before)[0].abs().max() > 1e-4, (
        "another caption, another picture"
    )


@torch.no_grad()
def test_tokens_are_read_as_without_a_picture(writer, ids):
    """A caption's states are those of the language model alone: what it has learned of them stays true."""
    seen = writer._seen(ids != PAD, torch.arange(4 + CELLS))
    assert seen[0, 0, :4, :4].tolist() == [
        [True, False, False, False], [True, True, False, False],
        [True, True, True, False], [True, True, True, False],
    ]  # fmt: skip
    assert not seen[:, :, :4, 4:].any() and seen[:, :, 4:, 4:].all()


def test_a_word_is_drawn_as_often_as_it_is_likely():
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(1, 100, 3)
    lots = (torch.arange(100) + 0.5)[None] / 100
    words, certainty = draw_words(logits, lots)
    assert words[0].bincount().tolist() == [50, 30, 20]
    torch.testing.assert_close(certainty[0, [0, 60, 99]], torch.tensor([0.5, 0.3, 0.2]).log())


@torch.no_grad()
def test_every_word_is_written_whatever_is_drawn_beside_it(writer, ids):
    noise = torch.randn(3, writer.noise_width(STEPS), generator=torch.Generator().manual_seed(0))
    words = writer.write(ids, noise, STEPS, GUIDANCE, TEMPERATURES)
    for place, size in enumerate(writer.codebooks):
        assert int(words[:, place].min()) >= 0 and int(words[:, place].max()) < size
    alone = writer.write(ids[1:2, :2], noise[1:2], STEPS, GUIDANCE, TEMPERATURES)
    assert torch.equal(alone, words[1:2])
    assert not torch.equal(writer.write(ids, -noise, STEPS, GUIDANCE, TEMPERATURES), words)


@torch.no_grad()
def test_words_are_written_in_as_many_readings_as_there_are_steps(writer, ids, monkeypatch):
    unwritten, read = [], WordWriter.read

    def watched(self, ids, words):
        unwritten.append((words == torch.tensor(self.codebooks)[:, None]).sum(2)[0].tolist())
        return read(self, ids, words)

    monkeypatch.setattr(WordWriter, "read", watched)
    writer.write(ids, torch.randn(3, writer.noise_width(STEPS)), STEPS, (0.0, 0.0, 0.0), TEMPERATURES)
    assert len(unwritten) == sum(STEPS)
    assert unwritten[0] == [64, 64, 64] and unwritten[3] == [0, 64, 64] and unwritten[5] == [0, 0, 64]
    assert 64 > unwritten[1][0] > unwritten[2][0] > 0 and unwritten[4][1] < 64


@torch.no_grad()
def test_given_words_stay_and_all_others_are_written(writer, ids):
    noise = torch.randn(3, writer.noise_width(STEPS), generator=torch.Generator().manual_seed(0))
    blank, settings = writer.blank(3), (STEPS, GUIDANCE, TEMPERATURES)
    assert torch.equal(writer.complete(blank, ids, noise, *settings), writer.write(ids, noise, *settings))
    given = blank.clone()
    given[:, 0, ::2] = torch.arange(32) % 24
    given[:, 0, 1:60:2] = 3  # two cells are left, for three steps
    words = writer.complete(given, ids, noise, *settings)
    assert torch.equal(words[:, 0, :60], given[:, 0, :60])
    for place, size in enumerate(writer.codebooks):
        assert int(words[:, place].min()) >= 0 and int(words[:, place].max()) < size
    assert torch.equal(writer.complete(words, ids, -noise, *settings), words), "nothing was left to write"


@torch.no_grad()
def test_given_words_take_no_reading(writer, ids, monkeypatch):
    n_read, read = [], WordWriter.read
    monkeypatch.setattr(WordWriter, "read", lambda *given: n_read.append(1) or read(*given))
    given = writer.blank(3)
    given[:, 0] = 5
    writer.complete(given, ids, torch.randn(3, writer.noise_width(STEPS)), STEPS, GUIDANCE, TEMPERATURES)
    assert len(n_read) == STEPS[1] + STEPS[2]


@torch.no_grad()
def test_words_cost_the_logarithm_of_their_probability(writer, ids):
    before = writer.blank(3)
    before[:, 0] = 7
    after = before.clone()
    after[:, 1, :2] = torch.tensor([4, 8])
    shares = writer.scores(writer.read(ids, before), 1).softmax(-1)
    expected = -(shares[:, 0, 4] * shares[:, 1, 8]).log2()
    torch.testing.assert_close(writer.code_length(ids, before, after), expected)
    assert writer.code_length(ids, after, after).tolist() == [0.0] * 3
    writer.scales.zero_()  # one that holds all words for as likely
    after[:, 1] = 0
    assert writer.code_length(ids, before, after).tolist() == pytest.approx([64 * math.log2(9)] * 3)


@torch.no_grad()
def test_what_is_not_written_is_taken_for_average(writer, ids):
    torch.manual_seed(1)
    visual_words = VisualWords(16, LEVELS, 8, 1)
    model = WordsToImage(writer, visual_words, STEPS, GUIDANCE, TEMPERATURES).eval()
    words = model.write(ids, torch.randn(3, model.noise_width))
    numbers = visual_words.numbers(words)
    assert torch.equal(model.picture(words), visual_words.picture(numbers))
    some = writer.blank(3)
    some[:, :2] = words[:, :2]
    assert torch.equal(model.picture(some), visual_words.picture(numbers, known=2))
    some[:, :, :63] = writer.blank(3)[:, :, :63]
    zeros = torch.zeros_like(numbers)
    zeros[:, :5, 7, 7] = numbers[:, :5, 7, 7]  # three numbers of the first word, two of the second
    assert torch.equal(model.picture(some), visual_words.picture(zeros))


@torch.no_grad()
def test_guidance_drives_away_from_the_caption_that_says_nothing(writer, ids):
    words = writer.blank(3)
    given = writer.scores(writer.read(ids, words), 0).log_softmax(-1)
    free = writer.scores(writer.read(writer.nothing(ids), words), 0).log_softmax(-1)
    torch.testing.assert_close(writer._guided(ids, words, 0, 2.0), 3 * given - 2 * free, atol=1e-4, rtol=0)
    assert (free - free[:1]).abs().max() < 1e-5, "without a caption all are the same"


@torch.no_grad()
def test_a_whole_model_draws_pictures(writer, ids):
    torch.manual_seed(1)
    visual_words = VisualWords(16, LEVELS, 8, 1)
    model = WordsToImage(writer, visual_words, STEPS, GUIDANCE, TEMPERATURES).eval()
    noise = torch.randn(3, model.noise_width)
    assert model.noise_width == 2 * CELLS * 6
    expected = visual_words.picture(visual_words.numbers(model.write(ids, noise)))
    assert model(ids, noise).shape == (3, 3, 16, 16) and torch.equal(model(ids, noise), expected)
    assert not model.train().visual_words.training and model.writer.training

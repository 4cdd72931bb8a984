import math

import pytest
import torch

from lexipix.networks.captioner import small_gpt2
from lexipix.networks.visual_words import VisualWords
from lexipix.networks.word_writer import CELLS, WordWriter
from lexipix.networks.words_to_image import WordsToImage
from lexipix.training.data import ImageRows
from lexipix.training.parallel import Share
from lexipix.training.tokenization import EOS_ID, PAD_ID
from lexipix.training.words import WordsTask, cells_to_hide, guessing_losses, hide, place_of_rows

from .generator_world import CPU, Training, check_reproducible, check_resumes, world

LEVELS = [[4, 3, 2], [3, 3]]


@pytest.fixture
def make():
    def make(**changes):
        torch.manual_seed(0)
        visual_words = VisualWords(16, LEVELS, 8, 1)
        visual_words.initialise(ImageRows(world().images, CPU)[torch.arange(12)])
        model = small_gpt2(world().vocabulary + 24 + 9 + 2, 48 + CELLS, 32, 1, EOS_ID, cross_attention=False)
        writer = WordWriter(model, LEVELS, 1, PAD_ID, EOS_ID)
        settings = {
            "learning_rate": 4e-3, "canonical_share": 0.5, "caption_dropout": 0.25, "flip": True,
            "device": CPU,
        }  # fmt: skip
        model = WordsToImage(writer, visual_words, (2, 1), (1.0, 0.0), (1.0, 1.0))
        validation = world().images[:8], world().captions
        return WordsTask(model, world().images, world().captions, validation, **(settings | changes))

    return make


def test_half_of_the_rows_learn_the_first_word():
    assert place_of_rows(16, 4).bincount().tolist() == [9, 4, 2, 1]
    assert place_of_rows(8, 1).tolist() == [0] * 8
    assert place_of_rows(2, 2).tolist() == [0, 1]


def test_hidden_words_are_those_in_writing_and_all_that_come_later():
    words = torch.zeros(2, 3, CELLS, dtype=torch.long)
    order = torch.arange(CELLS).expand(2, CELLS) / CELLS
    partly, hidden = hide(words, torch.tensor([0, 1]), torch.tensor([16, 64]), order, [7, 8, 9])
    assert hidden.sum(1).tolist() == [16, 64] and hidden[0, :16].all()
    assert partly[0, 0].tolist() == [7] * 16 + [0] * 48
    assert (partly[0, 1] == 8).all() and (partly[0, 2] == 9).all()
    assert (partly[1, 0] == 0).all() and (partly[1, 1] == 8).all() and (partly[1, 2] == 9).all()


def test_one_word_at_least_is_hidden():
    assert cells_to_hide(torch.tensor([0.0, 0.01, 0.5, 1.0])).tolist() == [1, 1, 32, 64]


@torch.no_grad()
def test_whoever_knows_nothing_pays_the_logarithm_of_the_codebook(make):
    writer = make().model.writer
    words = torch.zeros(3, 2, CELLS, dtype=torch.long)
    hidden = torch.ones(3, CELLS, dtype=torch.bool)
    losses = guessing_losses(writer, torch.zeros(3, CELLS, 32), words, torch.tensor([0, 0, 0]), hidden)
    assert [float(x) for x in losses] == pytest.approx([3 * 64 * math.log(24), 0.0])


def test_a_few_pictures_are_learned(make):
    result, _, _ = Training(make, images=640)()
    losses = [row["val_objective"] for row in result.curves]
    assert losses[-1] < losses[0] < math.log(24)
    assert {"val_loss_of_1", "val_loss_of_2"} <= result.figures.keys()


def test_micro_batches_learn_what_a_whole_batch_does(make):
    tasks = [make(), make(share=Share(micro_batches=4))]
    figures = []
    for task in tasks:
        torch.manual_seed(3)
        figures.append({key: float(value) for key, value in task.step(torch.arange(8), 0.5).items()})
    assert figures[0] == pytest.approx(figures[1], rel=1e-4)
    gradients = [
        torch.cat([p.grad.flatten() for p in t.model.writer.parameters() if p.grad is not None])
        for t in tasks
    ]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


def test_only_the_writer_learns(make):
    task = make()
    before = {key: value.clone() for key, value in task.model.state_dict().items()}
    task.step(torch.arange(8), 0.5)
    changed = {key for key, value in task.model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and all(key.startswith("writer.") for key in changed)
    assert not any(key.startswith("writer.known") for key in changed)


def test_same_seed_same_bytes(make):
    check_reproducible(make)


def test_resumes_to_the_bit(make):
    check_resumes(make)

import math
from types import SimpleNamespace

import pytest
import torch
from tests.support.generator_world import CPU, Training, check_reproducible, check_resumes, world

from lexipix.data.images import ImageRows
from lexipix.data.tokenization import EOS_ID, PAD_ID
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.models.language_model import small_gpt2
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.token_generator import CELLS, TokenGenerator
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.parallel import Share
from lexipix.training.tasks.token_generator import (
    TokenGeneratorTask,
    cells_to_hide,
    guess_counts,
    guessing_losses,
    hide,
    known_words,
    to_guess,
)

LEVELS = [[4, 3, 2], [3, 3]]


@pytest.fixture
def make():
    def make(**changes):
        torch.manual_seed(0)
        image_tokenizer = ImageTokenizer(16, LEVELS, 8, 1)
        image_tokenizer.init_from_pca(ImageRows(world().images, CPU)[torch.arange(12)])
        model = small_gpt2(world().vocabulary + 24 + 9 + 2, 48 + CELLS, 32, 1, EOS_ID, cross_attention=False)
        writer = TokenGenerator(model, LEVELS, (1, 1), 1, 32, 8, PAD_ID)
        text_encoder = TextEncoder(world().vocabulary, 48, 32, 1, 8)
        settings = {
            "adversary": "hinge", "discriminator_learning_rate": 4e-4, "penalty": 0.0, "alignment": 0.5,
            "adversarial": 1.0, "anchor": 1.0, "anchor_cell": 1, "head_start": 0.0, "augmentations": (),
            "learning_rate": 1e-3, "guessing_rate": 4e-3, "teaching": 0.5, "canonical_share": 0.5,
            "flip": True, "device": CPU,
        }  # fmt: skip
        return TokenGeneratorTask(
            TokensToImage(text_encoder, writer, image_tokenizer),
            world().discriminator(), world().images, world().captions, world().groups, world().validation(),
            **(settings | changes),
        )  # fmt: skip

    return make


def test_half_of_the_rows_know_no_word():
    assert known_words(16, 4).bincount().tolist() == [9, 4, 2, 1]
    assert known_words(8, 1).tolist() == [0] * 8
    assert known_words(2, 2).tolist() == [0, 1]


def test_hidden_words_are_those_in_writing_and_all_that_come_later():
    words = torch.zeros(2, 3, CELLS, dtype=torch.long)
    order = torch.arange(CELLS).expand(2, CELLS) / CELLS
    partly = hide(words, torch.tensor([0, 1]), torch.tensor([16, 64]), order, [7, 8, 9])
    assert partly[0, 0].tolist() == [7] * 16 + [0] * 48
    assert (partly[0, 1] == 8).all() and (partly[0, 2] == 9).all()
    assert (partly[1, 0] == 0).all() and (partly[1, 1] == 8).all() and (partly[1, 2] == 9).all()


def test_guessed_is_what_the_next_pass_writes():
    writer = SimpleNamespace(
        step_ends=[1, 3, 3],
        tokens_per_cell=3,
        masked_tokens=lambda n: torch.tensor([7, 8, 9])[None, :, None].repeat(n, 1, 64),
    )
    known, n_hidden = torch.tensor([0, 1, 2]), torch.tensor([16, 64, 64])
    words = torch.zeros(3, 3, CELLS, dtype=torch.long)
    partly = hide(words, known, n_hidden, torch.rand(3, CELLS), [7, 8, 9])
    guessed = to_guess(writer, partly, known)
    assert guessed.sum(2).tolist() == [[16, 0, 0], [0, 64, 64], [0, 0, 64]]
    assert guess_counts(writer, known, n_hidden).tolist() == guessed.sum((0, 2)).tolist()
    assert guess_counts(writer, known[:1], n_hidden[:1]).tolist() == [16, 1, 1]


def test_one_word_at_least_is_hidden():
    assert cells_to_hide(torch.tensor([0.0, 0.01, 0.5, 1.0])).tolist() == [1, 1, 32, 64]


@torch.no_grad()
def test_whoever_knows_nothing_pays_the_logarithm_of_the_codebook(make):
    writer = make().words.token_generator
    words = torch.zeros(3, 2, CELLS, dtype=torch.long)
    guessed = torch.ones(3, 2, CELLS, dtype=torch.bool)
    guessed[:, 1] = False
    losses = guessing_losses(writer, torch.zeros(3, CELLS, 32), words, guessed)
    assert [float(x) for x in losses] == pytest.approx([3 * 64 * math.log(24), 0.0])


def test_a_few_pictures_are_learned(make):
    result, _, _ = Training(lambda: make(teaching=1.0), images=640)()
    losses = [row["val_loss_of_1"] for row in result.curves]
    assert losses[-1] < losses[0] < math.log(24)
    assert {"val_loss_of_1", "val_loss_of_2", "val_psnr", "val_alignment"} <= result.figures.keys()


def test_drawings_come_near_to_the_pictures(make):
    """By gradients through the choice of words alone: with the anchor as the only loss."""
    task = make(teaching=0.0, adversarial=0.0, alignment=0.0, anchor=10.0, learning_rate=4e-3)
    torch.manual_seed(3)
    near = [float(task.step(torch.arange(8), 0.5)["anchor"].detach()) for _ in range(60)]
    assert sum(near[-10:]) < 0.7 * sum(near[:10])


def test_micro_batches_learn_what_a_whole_batch_does(make):
    tasks = [make(), make(share=Share(micro_batches=4))]
    figures = []
    for task in tasks:
        torch.manual_seed(3)
        figures.append({key: float(value) for key, value in task.step(torch.arange(8), 0.2).items()})
    assert figures[0] == pytest.approx(figures[1], rel=1e-4)
    gradients = [
        torch.cat([p.grad.flatten() for p in t.words.token_generator.parameters() if p.grad is not None])
        for t in tasks
    ]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("progress", [0.2, 0.8])
def test_only_the_writer_learns(make, progress):
    task = make()
    before = {key: value.clone() for key, value in task.words.state_dict().items()}
    task.step(torch.arange(8), progress)
    changed = {key for key, value in task.words.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and all(key.startswith("token_generator.") for key in changed)
    assert not any(key.startswith("token_generator.level_features") for key in changed)


def test_same_seed_same_bytes(make):
    check_reproducible(make)


def test_resumes_to_the_bit(make):
    check_resumes(make)

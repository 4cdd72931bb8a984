import math
from types import SimpleNamespace

import pytest
import torch

from lexipix.models.token_generator import CELLS
from lexipix.training.losses.tokens import (
    hidden_cell_counts,
    hide,
    known_token_counts,
    token_losses,
    tokens_to_predict,
)


def test_half_of_the_rows_know_no_token():
    assert known_token_counts(16, 4).bincount().tolist() == [9, 4, 2, 1]
    assert known_token_counts(8, 1).tolist() == [0] * 8
    assert known_token_counts(2, 2).tolist() == [0, 1]


def test_the_next_token_and_all_later_ones_are_hidden():
    tokens = torch.zeros(2, 3, CELLS, dtype=torch.long)
    order = torch.arange(CELLS).expand(2, CELLS) / CELLS
    partly = hide(tokens, torch.tensor([0, 1]), torch.tensor([16, 64]), order, [7, 8, 9])
    assert partly[0, 0].tolist() == [7] * 16 + [0] * 48
    assert (partly[0, 1] == 8).all() and (partly[0, 2] == 9).all()
    assert (partly[1, 0] == 0).all() and (partly[1, 1] == 8).all() and (partly[1, 2] == 9).all()


def test_predicted_is_what_the_next_decoding_step_writes():
    generator = SimpleNamespace(
        step_ends=[1, 3, 3],
        tokens_per_cell=3,
        masked_tokens=lambda n: torch.tensor([7, 8, 9])[None, :, None].repeat(n, 1, 64),
    )
    known, n_hidden = torch.tensor([0, 1, 2]), torch.tensor([16, 64, 64])
    tokens = torch.zeros(3, 3, CELLS, dtype=torch.long)
    partly = hide(tokens, known, n_hidden, torch.rand(3, CELLS), [7, 8, 9])
    predicted = tokens_to_predict(generator, partly, known)
    assert predicted.sum(2).tolist() == [[16, 0, 0], [0, 64, 64], [0, 0, 64]]


def test_one_token_at_least_is_hidden():
    assert hidden_cell_counts(torch.tensor([0.0, 0.01, 0.5, 1.0])).tolist() == [1, 1, 32, 64]


def test_equal_logits_cost_the_logarithm_of_the_codebook():
    generator = SimpleNamespace(logits=lambda states, place: torch.zeros(len(states), 24))
    tokens = torch.zeros(3, 2, CELLS, dtype=torch.long)
    predicted = torch.ones(3, 2, CELLS, dtype=torch.bool)
    predicted[:, 1] = False
    losses = token_losses(generator, torch.zeros(3, CELLS, 32), tokens, predicted)
    assert [float(x) for x in losses] == pytest.approx([math.log(24), 0.0])

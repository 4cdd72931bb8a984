"""Which model takes the champion's place."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lexipix.tracking.promotion import Measured, decide

GATED = ("attribute_accuracy", "r_precision")
MAX_LOSS = 0.01

figures = st.fixed_dictionaries({name: st.floats(0.01, 1) for name in GATED})


def measured(*values, data="d"):
    return Measured(data, dict(zip(GATED, values, strict=True)))


def test_the_first_is_the_champion():
    assert decide(measured(0.1, 0.1), None, GATED, MAX_LOSS).promoted


@pytest.mark.parametrize(
    ("new", "old", "promoted", "said"),
    [
        ((0.99, 0.95), (0.98, 0.95), True, "better: attribute_accuracy 0.9900 (champion 0.9800"),
        ((0.98, 0.95), (0.98, 0.95), False, "no better"),
        ((0.97, 0.95), (0.98, 0.95), False, "loses more than 1.0% of attribute_accuracy"),
        ((0.995, 0.942), (0.98, 0.95), True, "r_precision 0.9420 (champion 0.9500"),  # -0.8 % for +1.5 %
        ((0.985, 0.942), (0.98, 0.95), False, "no better"),  # -0.8 % for +0.5 %
        ((1.0, 0.90), (0.80, 0.95), False, "loses more than 1.0% of r_precision"),
    ],
)
def test_it_must_gain_and_may_lose_little(new, old, promoted, said):
    decision = decide(measured(*new), measured(*old), GATED, MAX_LOSS)
    assert decision.promoted is promoted
    assert said in decision.reason


def test_models_of_other_data_do_not_compare():
    decision = decide(measured(1.0, 1.0, data="new"), measured(0.1, 0.1, data="old"), GATED, MAX_LOSS)
    assert not decision.promoted
    assert "set the alias champion by hand" in decision.reason


def test_figures_that_one_of_them_lacks_do_not_count():
    old = Measured("d", {"r_precision": 0.5})
    assert decide(measured(0.1, 0.6), old, GATED, MAX_LOSS).promoted
    assert not decide(measured(0.9, 0.5), old, GATED, MAX_LOSS).promoted
    decision = decide(measured(0.9, 0.9), Measured("d"), GATED, MAX_LOSS)
    assert not decision.promoted
    assert "No metric of attribute_accuracy, r_precision was measured" in decision.reason


@given(figures, figures, st.floats(0, 0.9))
def test_no_two_models_replace_each_other(one, other, max_loss):
    """Or two of them, evaluated in turns, would change places for ever."""
    forth = decide(Measured("d", one), Measured("d", other), GATED, max_loss)
    back = decide(Measured("d", other), Measured("d", one), GATED, max_loss)
    assert not (forth.promoted and back.promoted)


@given(figures, st.floats(1.001, 1.5))
def test_better_in_everything_is_better(old, factor):
    new = {name: value * factor for name, value in old.items()}
    assert decide(Measured("d", new), Measured("d", old), GATED, MAX_LOSS).promoted
    assert not decide(Measured("d", old), Measured("d", new), GATED, MAX_LOSS).promoted


@given(figures, figures, st.floats(0, 0.1))
def test_a_promoted_model_loses_no_more_than_the_gate_allows(new, old, max_loss):
    if decide(Measured("d", new), Measured("d", old), GATED, max_loss).promoted:
        assert all(new[name] >= old[name] * (1 - max_loss) - 1e-6 for name in GATED)
        assert math.prod(new.values()) > math.prod(old.values())

import pytest
import torch
from tests.support.generator_world import Training, check_reproducible, world
from tests.support.parameters import section

from lexipix.training.feedback import ValidationFeedback, expected_failure_rate, token_effects

PAD = 0


class Rows:
    """Captions of given token ids."""

    pad_id = PAD

    def __init__(self, ids):
        self.ids = torch.tensor(ids)

    def __len__(self):
        return len(self.ids)

    def primary(self, rows):
        return self.ids[rows]


class FailureRates:
    """A validation of four captions with given failure rates."""

    def __init__(self):
        self.captions = Rows([[1, 2], [1, 2], [1, 3], [1, 3]])
        self.generated, self.real = torch.zeros(4), torch.zeros(4)

    def failure_rates(self):
        return self.generated, self.real


# Token 1 is in every caption, token 2 in those that fail, token 3 in those that do not
TRAINING = Rows([[1, 2, PAD], [1, 3, PAD], [1, 2, 4], [1, 3, 9]])
FAILING = torch.tensor([1.0, 1.0, 0.0, 0.0])


def make(**changes):
    parameters = section("generator.feedback", {"plateau_patience": 1} | changes)
    return ValidationFeedback(parameters, TRAINING, FailureRates())


def validate(feedback, failures=FAILING, bad_validations=0, learns=True):
    feedback.validation.generated = failures
    return feedback.on_validation(learns, bad_validations)


def test_tokens_of_captions_that_fail_explain_the_failures():
    failures = torch.tensor([1.0, 0.8, 0.0, 0.2])
    effects = token_effects(FailureRates().captions.ids, failures, PAD)
    # Two tokens that differ, each in two captions, beside a common one: 0.8 / (2 + ridge of 10)
    assert effects.tolist() == pytest.approx([0, 0, 0.8 / 12, -0.8 / 12, 0])
    rates = expected_failure_rate(torch.tensor([[1, 2, PAD], [1, 3, 7]]), effects, 0.5)
    assert rates.tolist() == pytest.approx([0.5 + 0.8 / 12, 0.5 - 0.8 / 12])  # 7 was never seen to fail


def test_expected_rates_stay_within_four_times_the_mean():
    effects = torch.tensor([0.0, 5.0, -5.0, 0.0], dtype=torch.float64)
    assert expected_failure_rate(torch.tensor([[1], [2]]), effects, 0.1).tolist() == pytest.approx(
        [0.4, 0.025]
    )


def test_rows_are_sampled_evenly_until_something_fails():
    feedback = make()
    assert feedback.sampling_cdf is None
    assert validate(feedback, torch.zeros(4))["failure_rate"] == 0
    assert feedback.sampling_cdf is None


def test_captions_whose_tokens_fail_are_sampled_more_often():
    feedback = make()
    assert validate(feedback)["failure_rate"] == 0.5
    rates = torch.tensor([0.5 + 1 / 12, 0.5 - 1 / 12, 0.5 + 1 / 12, 0.5 - 1 / 12])
    assert feedback.sampling_cdf.tolist() == pytest.approx((rates.cumsum(0) / 2).tolist())
    assert feedback.resampled_fraction == 0.5


@pytest.mark.parametrize(("most", "fraction"), [(1.0, 0.25), (0.1, 0.1)])
def test_no_larger_fraction_of_a_batch_is_resampled_than_fails(most, fraction):
    feedback = make(resampled_fraction=most)
    validate(feedback, torch.tensor([1.0, 0.0, 0.0, 0.0]))
    assert feedback.resampled_fraction == fraction


def test_what_fails_with_real_images_too_is_no_failure():
    feedback = make()
    validate(feedback)
    feedback.validation.real = torch.ones(4)
    validate(feedback)
    assert feedback.sampling_cdf is None and feedback.resampled_fraction == 0


def test_a_fraction_of_zero_samples_evenly():
    feedback = make(resampled_fraction=0.0)
    validate(feedback)
    assert feedback.sampling_cdf is None


def test_nothing_changes_before_the_generator_learns():
    feedback = make()
    for _ in range(3):
        added = validate(feedback, learns=False)
    assert added == {"failure_rate": 0.5, "lr_factor": 1.0}
    assert feedback.sampling_cdf is None


def test_the_learning_rate_falls_on_a_plateau_but_not_without_end():
    def factors(feedback, since_the_best):
        return [validate(feedback, bad_validations=n)["lr_factor"] for n in since_the_best]

    assert factors(make(), (0, 1, 0, 1, 2)) == [1.0, 0.5, 0.5, 0.25, 0.25]
    assert factors(make(plateau_patience=2), (0, 1, 2, 0)) == [1.0, 1.0, 0.5, 0.5]
    assert factors(make(plateau_patience=2, min_lr_factor=0.1), range(5)) == [1.0, 1.0, 0.5, 0.5, 0.25]
    assert factors(make(plateau_patience=0), range(4)) == [1.0] * 4


def test_state_survives_a_checkpoint():
    feedback, restored = make(), make()
    for bad_validations in (0, 1):
        validate(feedback, bad_validations=bad_validations)
    restored.load_state(*feedback.state())
    assert restored.lr_factor == 0.5 and restored.resampled_fraction == 0.5
    assert torch.equal(restored.sampling_cdf, feedback.sampling_cdf)
    assert validate(restored, bad_validations=2) == validate(feedback, bad_validations=2) != {}
    fresh = make()
    fresh.load_state(*make().state())
    assert fresh.sampling_cdf is None and validate(fresh)["lr_factor"] == 1.0


def prior():
    return world().prior_task(with_feedback=True)


def gan():
    return world().gan_task(with_feedback=True, discriminator_warmup=0.25)


@pytest.mark.parametrize("make", [prior, gan])
def test_a_training_with_feedback_has_the_same_bytes_interrupted_or_not(make):
    check_reproducible(make)


def test_a_gan_with_feedback_ships_its_best():
    result, _, _ = Training(gan, images=96)()
    assert all({"failure_rate", "lr_factor"} <= row.keys() for row in result.curves)
    learned = [row["val_objective"] for row in result.curves if row["images_seen"] > 0.25 * 96]
    assert result.metrics["val_objective"] == min(learned)


def test_feedback_changes_a_training_from_the_first_validation_on():
    with_feedback, without = (
        Training(make, images=192)()[0].curves for make in (prior, lambda: world().prior_task())
    )
    assert with_feedback[0]["loss"] == without[0]["loss"]
    assert with_feedback[-1]["loss"] != without[-1]["loss"]
    assert not {"failure_rate", "lr_factor"} & without[-1].keys()

import math
from collections import Counter
from types import SimpleNamespace

import pytest
import torch
from tests.support.generator_world import CPU, Training, check_reproducible, check_resumes, world

from lexipix.config.generator import LoopParameters
from lexipix.training.feedback import ValidationFeedback, effects_of_words, expected
from lexipix.training.schedule import rows_of_step
from lexipix.training.steady import STEADY
from lexipix.training.tasks.gan import GANTask
from lexipix.training.tasks.prior import PriorTask

PAD = 0
ON = LoopParameters(enabled=True, plateau=1)


class Rows:
    """Captions of given token ids."""

    pad_id = PAD

    def __init__(self, ids):
        self.ids = torch.tensor(ids)

    def __len__(self):
        return len(self.ids)

    def primary(self, rows):
        return self.ids[rows]


class Watched:
    """Validation whose pictures are their own vectors."""

    def __init__(self, vectors, captions):
        self.images, self.captions, self.watch = vectors, captions, None
        self.groups = torch.arange(len(vectors))

    def encoder(self, images):
        return SimpleNamespace(embedding=images)


# Word 1 is in every caption, word 2 in those that fail, word 3 in those that do not
TRAINING = Rows([[1, 2, PAD], [1, 3, PAD], [1, 2, 4], [1, 3, 9]])
VALIDATION = Rows([[1, 2], [1, 2], [1, 3], [1, 3]])
VECTORS = torch.eye(4)


def steering(parameters=ON, **settings):
    return ValidationFeedback(parameters, TRAINING, Watched(VECTORS, VALIDATION), **settings)


def report(steered, drawn, psnr=20.0, alignment=1.0, objective=-20.0, learns=True, task=None):
    """Let steering see drawings whose vectors are those of the given captions."""
    steered.watch(torch.arange(4), VECTORS[drawn], VECTORS)
    figures = {"val_objective": objective, "val_psnr": psnr, "val_alignment": alignment}
    return steered.react(task or SimpleNamespace(), figures, learns)


def test_words_of_captions_that_fail_carry_the_blame():
    failures = torch.tensor([1.0, 0.8, 0.0, 0.2])
    effects = effects_of_words(VALIDATION.ids, failures, PAD)
    # Two words that tell apart, each in two captions, beside a common one: 0.8 / (2 + ridge of 10)
    assert effects.tolist() == pytest.approx([0, 0, 0.8 / 12, -0.8 / 12, 0])
    chances = expected(torch.tensor([[1, 2, PAD], [1, 3, 7]]), effects, 0.5)
    assert chances.tolist() == pytest.approx([0.5 + 0.8 / 12, 0.5 - 0.8 / 12])  # 7 was never seen to fail


def test_expected_chances_stay_within_four_times_the_mean():
    effects = torch.tensor([0.0, 5.0, -5.0, 0.0], dtype=torch.float64)
    assert expected(torch.tensor([[1], [2]]), effects, 0.1).tolist() == pytest.approx([0.4, 0.025])


def test_rows_come_in_turn_until_something_fails():
    steered = steering()
    for one in (steered, STEADY):
        assert torch.equal(one.rows(8, 6, 4, 3), rows_of_step(8, 6, 4, 3))
    assert report(steered, [0, 1, 2, 3])["failing"] == pytest.approx(0, abs=1e-6)
    assert torch.equal(steered.rows(8, 6, 4, 3), rows_of_step(8, 6, 4, 3))


def test_captions_whose_words_fail_are_drawn_more_often():
    steered = steering()
    assert report(steered, [2, 3, 2, 3], alignment=0.5)["failing"] == pytest.approx(0.5, abs=0.01)
    often = Counter()
    for seen in range(0, 4000, 8):
        rows = steered.rows(seen, 8, 4, 3)
        often.update(rows[1::2].tolist())  # every other place, with a share of a half
        assert torch.equal(rows[::2], rows_of_step(seen, 8, 4, 3)[::2])
        assert torch.equal(rows, steered.rows(seen, 8, 4, 3))
    failing, fine = 0.5 + 1 / 12, 0.5 - 1 / 12
    assert (often[0] + often[2]) / 2000 == pytest.approx(failing / (failing + fine), abs=0.04)


@pytest.mark.parametrize(("most", "share"), [(1.0, 0.25), (0.1, 0.1)])
def test_as_much_of_a_batch_as_fails_and_no_more(most, share):
    steered = steering(ON.model_copy(update={"share": most}))
    report(steered, [2, 1, 2, 3], alignment=0.75)
    assert steered.share == pytest.approx(share, abs=0.01)
    turns = rows_of_step(0, 1000, 4, 3)
    assert 0 < (steered.rows(0, 1000, 4, 3) != turns).float().mean() <= share


def test_what_fails_with_real_pictures_too_is_no_failure():
    steered = steering()
    report(steered, [2, 3, 2, 3], alignment=0.5)
    steered._real = {0: steered._real[0]._replace(failures=torch.ones(4))}
    report(steered, [2, 3, 2, 3], alignment=0.5)
    assert steered.cumulated is None and steered.share == 0


def test_share_of_nothing_leaves_the_rows():
    steered = steering(ON.model_copy(update={"share": 0.0}))
    report(steered, [2, 3, 2, 3])
    assert torch.equal(steered.rows(8, 6, 4, 3), rows_of_step(8, 6, 4, 3))


def test_weights_of_losses_react_and_come_back():
    weights = {"alignment": 0.5, "adversarial": 0.02}
    steered, task = steering(weights=weights), SimpleNamespace()
    report(steered, [0, 1, 2, 3], task=task)
    assert (task.alignment, task.adversarial) == (0.5, 0.02)
    for factor in (1.5, 2.25, 3.375, 4.0, 4.0):  # no further than the limit
        added = report(steered, [0, 1, 3, 2], alignment=0.5, task=task)
        assert added["alignment_factor"] == factor and task.alignment == 0.5 * factor
        assert task.adversarial == pytest.approx(0.02 / factor)
    for factor in (4 / 1.5, 4 / 2.25, 4 / 3.375, 1.0, 1.0):
        added = report(steered, [0, 1, 2, 3], task=task)
        assert added["alignment_factor"] == pytest.approx(factor)
        assert task.adversarial == pytest.approx(0.02 / factor)


@pytest.mark.parametrize(("faithful", "factor"), [(True, 1 / 1.5), (False, 1.0)])
def test_lower_psnr_counts_only_where_pictures_are_to_resemble_the_real_ones(faithful, factor):
    steered = steering(weights={"adversarial": 0.02}, faithful=faithful)
    report(steered, [0, 1, 2, 3], psnr=20.0)
    assert report(steered, [0, 1, 2, 3], psnr=19.0)["adversarial_factor"] == pytest.approx(factor)


def test_rate_falls_where_nothing_improves_but_not_without_end():
    steered = steering()
    rates = [report(steered, [0, 1, 2, 3], objective=o)["rate_factor"] for o in (2.0, 2.0, 1.0, 3.0, 1.0)]
    assert rates == [1.0, 0.5, 0.5, 0.25, 0.25]
    patient = steering(ON.model_copy(update={"plateau": 2}))
    rates = [report(patient, [0, 1, 2, 3], objective=o)["rate_factor"] for o in (2.0, 2.0, 3.0, 1.0)]
    assert rates == [1.0, 1.0, 0.5, 0.5]
    never = steering(ON.model_copy(update={"plateau": 0}))
    assert [report(never, [0, 1, 2, 3])["rate_factor"] for _ in range(4)] == [1.0] * 4


def test_nothing_reacts_before_the_model_learns():
    steered, task = steering(weights={"alignment": 0.5}), SimpleNamespace()
    for _ in range(3):
        report(steered, [1, 0, 3, 2], alignment=0.0, learns=False, task=task)
    assert steered.cumulated is None and steered.rate == 1.0 and not vars(task)
    report(steered, [1, 0, 3, 2], alignment=0.0, task=task)
    assert steered.cumulated is not None and task.alignment == 0.75


def test_what_is_not_to_resemble_is_best_near_real_pictures_and_recognised():
    steered = steering(faithful=False)
    perfect = report(steered, [0, 1, 2, 3], objective=-20.0)
    assert perfect["val_objective"] == perfect["val_distance"] == pytest.approx(0, abs=1e-6)
    wrong = report(steered, [1, 0, 3, 2], alignment=0.0)
    assert wrong["val_distance"] == pytest.approx(0, abs=1e-6) and wrong["val_objective"] == pytest.approx(1)
    repeated = report(steered, [0, 0, 0, 0], alignment=1.0)
    # 3/4 of the pairs lie a root of two apart, on both sides of it, and of real pictures among themselves
    assert repeated["val_distance"] == pytest.approx(2 * 0.75 * math.sqrt(2) - 0.75 * math.sqrt(2))
    assert "val_objective" not in report(steering(), [0, 1, 2, 3])


def test_state_is_packed_and_unpacked():
    steered, task = steering(weights={"alignment": 0.5}), SimpleNamespace()
    report(steered, [0, 1, 2, 3])
    report(steered, [1, 0, 3, 2], alignment=0.2, objective=-10.0)
    again = steering(weights={"alignment": 0.5})
    again.unpack(task, *steered.pack())
    assert task.alignment == 0.75 and again.rate == 0.5
    assert torch.equal(again.rows(16, 8, 4, 3), steered.rows(16, 8, 4, 3))
    assert report(again, [2, 3, 0, 1], alignment=0.0) == report(steered, [2, 3, 0, 1], alignment=0.0)
    fresh = steering()
    fresh.unpack(task, *steering().pack())
    assert fresh.cumulated is None


def prior():
    task = PriorTask(
        world().text_to_image(), world().vae().encoder, world().images, world().captions,
        world().validation(), learning_rate=2e-3, noises=1, canonical_share=0.5, flip=False, device=CPU,
    )  # fmt: skip
    task.steering = ValidationFeedback(ON, world().captions, task.validation)
    return task


def gan():
    task = GANTask(
        world().text_to_image(), world().discriminator(), world().images, world().captions, world().groups,
        world().validation(), adversary="hinge", learning_rate=2e-3, discriminator_learning_rate=2e-3,
        penalty=0.0, alignment=0.5, adversarial=1.0, anchor=10.0, anchor_cell=4, head_start=0.25,
        augmentations=[], canonical_share=0.5, flip=False, device=CPU,
    )  # fmt: skip
    weights = {"alignment": 0.5, "adversarial": 1.0}
    task.steering = ValidationFeedback(ON, world().captions, task.validation, weights=weights, faithful=False)
    return task


@pytest.mark.parametrize("make", [prior, gan])
def test_steered_training_same_seed_same_bytes(make):
    check_reproducible(make)


@pytest.mark.parametrize("make", [prior, gan])
def test_steered_training_resumes_to_the_bit(make):
    check_resumes(make)


def test_steered_gan_ships_its_best_and_reports_what_steers_it():
    result, _, _ = Training(gan, images=96)()
    names = {"failing", "rate_factor", "alignment_factor", "adversarial_factor", "val_distance"}
    assert all(names <= row.keys() for row in result.curves)
    learned = [row["val_objective"] for row in result.curves if row["images_seen"] > 0.25 * 96]
    assert result.figures["val_objective"] == min(learned)


def test_steered_prior_differs_from_one_that_is_not():
    def left_alone():
        task = prior()
        task.steering = STEADY
        return task

    steered, alone = (Training(make, images=96)()[0].curves for make in (prior, left_alone))
    assert steered[0]["loss"] == alone[0]["loss"]  # until the first report
    assert steered[-1]["loss"] != alone[-1]["loss"]
    assert not {"failing", "rate_factor"} & alone[-1].keys()

from copy import deepcopy

import pytest
import torch
from tests.support.generator_world import (
    CPU,
    Training,
    check_reproducible,
    parts_moved_by,
    world,
)
from tests.support.parameters import section
from torch.optim import Adam

from lexipix.data.caption_batches import CaptionGroups
from lexipix.training.flops import step_cost
from lexipix.training.muon import Muon
from lexipix.training.precision import Precision
from lexipix.training.tasks import gan

KINDS = [
    {"gan_loss": "hinge", "augmentations": ("color", "translation", "cutout"), "flip": True},
    {"gan_loss": "wasserstein", "gp_weight": 10.0},
    {"gan_loss": "relativistic", "r1_gamma": 0.1},
]
IDS = ["hinge", "wasserstein", "relativistic"]
SCRATCH = {"upsampling": True, "gradient_accumulation_steps": 2, "new_generator": True}


def make(**changes):
    return world().gan_task(**changes)


@pytest.mark.parametrize("changes", [*KINDS, SCRATCH], ids=[*IDS, "scratch"])
def test_a_few_images_are_learned(changes):
    result, _, _ = Training(lambda: make(learning_rate=4e-3, **changes), images=64)()
    errors = [row["pixel_loss"] for row in result.curves]
    assert errors[-1] < 0.8 * errors[0]
    assert {"loss_g", "loss_d", "contrastive_loss", "pixel_loss", "val_psnr"} <= result.curves[-1].keys()


def test_generator_and_discriminator_learn_and_the_text_encoders_stay():
    learning = {"model.prior", "model.decoder", "discriminator.heads", "discriminator.pixel_head"}
    assert parts_moved_by(make(), 0.0) == learning


def test_muon_trains_both_players_of_a_new_generator_and_adam_refines_a_trained_one():
    for is_new, kind in ((True, Muon), (False, Adam)):
        assert all(type(one) is kind for one in make(new_generator=is_new).optimizers.values())


def test_the_discriminator_learns_alone_at_first():
    task = make(discriminator_warmup=0.25)
    assert parts_moved_by(task, 0.2) == {"discriminator.heads", "discriminator.pixel_head"}
    assert "model.prior" in parts_moved_by(task, 0.25)


def test_the_generators_step_leaves_no_gradient_in_the_discriminator(monkeypatch):
    task = make()
    kept = {}
    step = task.optimizers["discriminator"].step

    def remember():
        step()
        kept.update({key: w.grad.clone() for key, w in task.discriminator.heads.named_parameters()})

    monkeypatch.setattr(task.optimizers["discriminator"], "step", remember)
    task.step(torch.arange(8), 0.0)
    for key, weight in task.discriminator.heads.named_parameters():
        assert torch.equal(weight.grad, kept[key]), key
        assert weight.requires_grad


@pytest.mark.parametrize("changes", KINDS[1:], ids=IDS[1:])
def test_the_penalty_is_computed_lazily(monkeypatch, changes):
    computed = []
    for name in ("gradient_penalty", "zero_centered_penalty"):
        monkeypatch.setattr(gan, name, lambda *_: computed.append(1) or torch.zeros(()))
    task = make(**changes)
    torch.manual_seed(0)
    for _ in range(16):
        task.step(torch.arange(4), 0.0)
    per_step = {"wasserstein": 1, "relativistic": 2}[changes["gan_loss"]]
    assert 0 < len(computed) / per_step < 10


@pytest.mark.parametrize("changes", KINDS[1:], ids=IDS[1:])
def test_the_arithmetic_of_a_penalty_is_counted(changes):
    without, always = (count(make(**changes, penalty_interval=n)) for n in (10**9, 1))
    assert always > without


def count(task):
    return step_cost(task, 4, section("run", {"device": "cpu"}), Precision(CPU, bf16=False)).flops


def test_operations_are_those_of_an_average_step():
    """A training of a quarter pretraining, a quarter discriminator and half of both players."""
    parts = []
    for begin in (0.0, 0.25, 0.5):
        task = make(pretrain_fraction=0.25, discriminator_warmup=0.25)
        task.phases = (begin,)
        parts.append(count(task) / (1 - begin))
    assert parts[2] > parts[1] > 0 and parts[0] > 0
    average = 0.25 * parts[0] + 0.25 * parts[1] + 0.5 * parts[2]
    assert count(make(pretrain_fraction=0.25, discriminator_warmup=0.25)) == pytest.approx(average)


def test_equal_captions_are_no_mismatch(monkeypatch):
    task = make()
    task.groups = CaptionGroups(torch.zeros_like(task.groups.of_rows))  # every caption alike
    counted = []
    loss = gan.discriminator_loss
    monkeypatch.setattr(gan, "discriminator_loss", lambda *a: counted.extend(a[3:]) or loss(*a))
    task.step(torch.arange(8), 0.0)
    task.groups = CaptionGroups(torch.from_numpy(world().groups))
    task.step(torch.arange(8), 0.0)
    assert [bool(rows.any()) for rows in counted] == [False, True]


def test_only_steps_that_run_the_same_kernels_use_cuda_graphs():
    assert make(with_feedback=True).uses_cuda_graphs
    others = [{"gan_loss": "wasserstein", "gp_weight": 10.0}, {"gradient_accumulation_steps": 2}]
    assert not any(make(**changes).uses_cuda_graphs for changes in others)
    assert make(pretrain_fraction=0.5).graph_step(torch.arange(8), 0.2) is None


def test_a_step_as_a_function_of_tensors_is_the_step():
    weights = []
    for as_graph in (False, True):
        task = make(flip=True, discriminator_warmup=0.25)
        for progress in (0.0, 0.5):
            torch.manual_seed(4)
            if as_graph:
                step = task.graph_step(torch.arange(8), progress)
                assert step.variant == (progress > 0.25)
                step.update(*step.inputs)
            else:
                task.step(torch.arange(8), progress)
        weights.append(torch.cat([w.detach().flatten() for w in task.model.parameters()]))
    assert torch.equal(*weights)


def test_micro_batches_hold_images_of_one_caption_together(monkeypatch):
    task, seen = make(gradient_accumulation_steps=2), []
    losses = task._discriminator_losses
    monkeypatch.setattr(task, "_discriminator_losses", lambda b: seen.append(b.groups) or losses(b))
    task.groups = CaptionGroups(torch.arange(12) // 4)
    torch.manual_seed(0)
    task.step(torch.tensor([0, 4, 8, 1, 2, 3, 5, 6]), 0.5)
    assert [groups.tolist() for groups in seen] == [[0, 0, 0, 0], [1, 1, 1, 1]]


@pytest.mark.parametrize("changes", [*KINDS, SCRATCH], ids=[*IDS, "scratch"])
def test_one_seed_gives_the_same_bytes_interrupted_or_not(changes):
    check_reproducible(lambda: make(**changes, discriminator_warmup=0.3))


def test_an_upsampling_decoder_first_learns_the_images_of_the_other_one():
    task = world().gan_task(pretrain_fraction=0.5, discriminator_warmup=0.25)
    before = deepcopy(task.teacher.state_dict())
    assert parts_moved_by(task, 0.0) == {"model.decoder"}
    assert parts_moved_by(task, 0.6) == {"discriminator.heads", "discriminator.pixel_head"}
    assert "model.prior" in parts_moved_by(task, 0.75)
    assert task.learns_from == 0.75
    losses = [float(task.step(torch.arange(8), 0.0)["pretrain_loss"]) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(before[key], value) for key, value in task.teacher.state_dict().items())


def test_a_pretrained_gan_has_the_same_bytes_interrupted_or_not():
    check_reproducible(lambda: world().gan_task(pretrain_fraction=0.25, discriminator_warmup=0.25))

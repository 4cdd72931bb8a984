import pytest
import torch
from tests.support.generator_world import (
    CPU,
    Training,
    check_reproducible,
    check_resumes,
    parts_moved_by,
    world,
)

from lexipix.config.run import RunParameters
from lexipix.data.caption_groups import CaptionGroups
from lexipix.training.parallel import Share
from lexipix.training.precision import Precision, step_flops
from lexipix.training.tasks import gan
from lexipix.training.tasks.gan import GANTask


@pytest.fixture
def make():
    def make(upsampling=False, **changes):
        settings = {
            "adversary": "hinge", "learning_rate": 2e-3, "discriminator_learning_rate": 2e-3, "penalty": 0.0,
            "alignment": 0.5, "adversarial": 1.0, "anchor": 10.0, "anchor_cell": 4, "head_start": 0.0,
            "augmentations": [], "canonical_share": 0.5, "flip": False, "device": CPU,
        }  # fmt: skip
        return GANTask(
            world().text_to_image(upsampling),
            world().discriminator(),
            world().images,
            world().captions,
            world().groups,
            world().validation(),
            **(settings | changes),
        )

    return make


KINDS = [
    {"adversary": "hinge", "augmentations": ["color", "translation", "cutout"], "flip": True},
    {"adversary": "wasserstein", "penalty": 10.0},
    {"adversary": "relativistic", "penalty": 0.1},
]
IDS = ["hinge", "wasserstein", "relativistic"]
SCRATCH = {"upsampling": True}


@pytest.mark.parametrize("changes", [*KINDS, SCRATCH], ids=[*IDS, "scratch"])
def test_a_few_pictures_are_learned(make, changes):
    result, _, _ = Training(lambda: make(**changes), images=160)()
    anchors = [row["anchor"] for row in result.curves]
    assert anchors[-1] < 0.8 * anchors[0]
    assert {"loss_g", "loss_d", "alignment_loss", "anchor", "val_psnr"} <= result.curves[-1].keys()


def test_generator_and_discriminator_learn_and_the_readers_stay(make):
    learning = {"model.prior", "model.decoder", "discriminator.heads", "discriminator.pixel_head"}
    assert parts_moved_by(make(), 0.0) == learning


def test_the_discriminator_has_a_head_start(make):
    task = make(head_start=0.25)
    assert parts_moved_by(task, 0.2) == {"discriminator.heads", "discriminator.pixel_head"}
    assert "model.prior" in parts_moved_by(task, 0.25)


def test_the_generators_step_leaves_no_gradient_in_the_discriminator(make, monkeypatch):
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
def test_the_penalty_is_paid_lazily(make, monkeypatch, changes):
    paid = []
    for name in ("gradient_penalty", "zero_penalty"):
        monkeypatch.setattr(gan, name, lambda *_: paid.append(1) or torch.zeros(()))
    task = make(**changes)
    torch.manual_seed(0)
    for _ in range(24):
        task.step(torch.arange(4), 0.0)
    per_step = {"wasserstein": 1, "relativistic": 2}[changes["adversary"]]
    assert 0 < len(paid) / per_step < 16


@pytest.mark.parametrize("changes", KINDS[1:], ids=IDS[1:])
def test_the_arithmetic_of_a_penalty_is_counted(make, monkeypatch, changes):
    task, machine, run = make(**changes), Precision(CPU, bf16=False), RunParameters(device="cpu")
    monkeypatch.setattr(gan, "PENALTY_EVERY", 10**9)
    without = step_flops(task, 4, run, machine)
    monkeypatch.setattr(gan, "PENALTY_EVERY", 1)
    assert step_flops(task, 4, run, machine) > without


def test_equal_captions_are_no_mismatch(make, monkeypatch):
    task = make()
    task.groups = CaptionGroups(torch.zeros_like(task.groups.of_rows))  # every caption alike
    counted = []
    loss = gan.discriminator_loss
    monkeypatch.setattr(gan, "discriminator_loss", lambda *a: counted.extend(a[3:]) or loss(*a))
    task.step(torch.arange(8), 0.0)
    task.groups = CaptionGroups(torch.from_numpy(world().groups))
    task.step(torch.arange(8), 0.0)
    assert [bool(rows.any()) for rows in counted] == [False, True]


def test_only_steps_that_are_alike_are_recorded(make, monkeypatch):
    monkeypatch.setattr(gan, "CudaGraphRunner", lambda _: "a recording")
    alike, steered = make(), make()
    steered.steering = object()
    others = [steered, make(penalty=10.0), make(share=Share(micro_batches=2))]
    for task in (alike, *others):
        task.record()
    assert alike.recording == "a recording"
    assert all(task.recording is None for task in others)


def test_same_seed_same_bytes(make):
    check_reproducible(lambda: make(**KINDS[0]))


@pytest.mark.parametrize("changes", [*KINDS, SCRATCH], ids=[*IDS, "scratch"])
def test_resumes_to_the_bit(make, changes):
    check_resumes(lambda: make(**changes, head_start=0.3))

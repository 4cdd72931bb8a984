from copy import deepcopy

import torch
from tests.support.generator_world import check_reproducible, parts_moved_by, world


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


def test_one_seed_gives_the_same_bytes_interrupted_or_not():
    check_reproducible(lambda: world().gan_task(pretrain_fraction=0.25, discriminator_warmup=0.25))

from copy import deepcopy

import torch
from tests.support.generator_world import parts_moved_by, world
from tests.support.parallel_world import GAN

from lexipix.training.tasks.pretrained_gan import TaughtGANTask


def test_an_upsampling_decoder_first_learns_what_the_other_one_draws():
    teacher = world().vae().decoder
    before = deepcopy(teacher.state_dict())
    task = TaughtGANTask(
        world().text_to_image(upsampling=True),
        teacher,
        world().discriminator(),
        world().images,
        world().captions,
        world().groups,
        world().validation(),
        **{**GAN, "teaching": 0.5},
    )
    assert parts_moved_by(task, 0.0) == {"model.decoder"}
    assert parts_moved_by(task, 0.6) == {"discriminator.heads", "discriminator.pixel_head"}
    assert "model.prior" in parts_moved_by(task, 0.75)
    losses = [float(task.step(torch.arange(8), 0.0)["teaching_loss"].detach()) for _ in range(30)]
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(before[key], value) for key, value in teacher.state_dict().items())

"""Trainings that several processes can make: functions of a module, which each process imports."""

import os
import signal
from types import SimpleNamespace

import torch
from tests.support.generator_world import CPU, ListStream, MemoryCheckpoints, world

from lexipix.config.generator import LoopParameters
from lexipix.config.run import RunParameters
from lexipix.config.training import LaunchParameters, SharedTrainingParameters
from lexipix.training.feedback import ValidationFeedback
from lexipix.training.launching import train_shared
from lexipix.training.tasks.gan import GANTask
from lexipix.training.tasks.pretrained_gan import TaughtGANTask
from lexipix.training.tasks.prior import PriorTask
from lexipix.training.tasks.vae import VAETask

RUN = RunParameters(seed=5, threads=2, device="cpu", precision="fp32")
GAN = {
    "adversary": "hinge", "learning_rate": 2e-3, "discriminator_learning_rate": 2e-3, "penalty": 0.0,
    "alignment": 0.5, "adversarial": 1.0, "anchor": 10.0, "anchor_cell": 4, "head_start": 0.25,
    "augmentations": ["color", "translation", "cutout"], "canonical_share": 0.5, "flip": True, "device": CPU,
}  # fmt: skip


def vae(share, run):
    task = VAETask(
        world().vae(), world().images, world().images, learning_rate=2e-3, decoder_variance=1e-4,
        structure_weight=0.01, device=CPU, share=share,
    )  # fmt: skip
    return SimpleNamespace(task=task)


def prior(share, run, noises=3, memory=0):
    task = PriorTask(
        world().text_to_image(memory=memory), world().vae().encoder, world().images, world().captions,
        world().validation(), learning_rate=2e-3, noises=noises, canonical_share=0.5, flip=True, device=CPU,
        share=share,
    )  # fmt: skip
    return SimpleNamespace(task=task)


def steered(share, run):
    """A prior whose rows, and whose rate, its reports decide about."""
    made = prior(share, run, noises=1)
    loop = LoopParameters(enabled=True, plateau=1, share=0.75)
    made.task.steering = ValidationFeedback(loop, world().captions, made.task.validation)
    return made


def gan(share, run, upsampling=False, **changes):
    """By plain gradient descent, which shows the size of gradients, as Adam does not."""
    given = (
        world().discriminator(), world().images, world().captions, world().groups, world().validation()
    )  # fmt: skip
    settings = {**GAN, **changes, "share": share}
    if upsampling:
        teacher = world().vae().decoder
        task = TaughtGANTask(world().text_to_image(True), teacher, *given, teaching=0.25, **settings)
    else:
        task = GANTask(world().text_to_image(), *given, **settings)
    task.optimizers = {
        name: torch.optim.SGD(optimizer.param_groups[0]["params"], 0.02)
        for name, optimizer in task.optimizers.items()
    }
    return SimpleNamespace(task=task)


def gan_of_its_own(share, run):
    """With batch norm, and with a teacher at first."""
    return gan(share, run, upsampling=True)


def gan_with_penalty(share, run, adversary):
    return gan(share, run, adversary=adversary, penalty=0.1, head_start=0.0)


def dies(share, run, rank, how):
    """A VAE of which one process ends in its third step."""
    made = vae(share, run)
    step, steps = made.task.step, []

    def last(rows, progress):
        steps.append(progress)
        if len(steps) == 3 and share.rank == rank:
            if how == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            raise ValueError("the disk is gone")
        return step(rows, progress)

    made.task.step = last
    return made


def trained(make, *arguments, processes=1, run=RUN, stream=None, store=None, images=64, **changes):
    """Train in as many processes as wanted; the made task, the result and what the stream heard."""
    stream = stream or ListStream()
    values = {
        "images": images,
        "batch_size": 8,
        "learning_rate": 2e-3,
        "reports": 4,
        "checkpoint_seconds": 1e-9,
    }
    made, result = train_shared(
        make, arguments, SharedTrainingParameters(**(values | changes)), run,
        LaunchParameters(processes=processes), name="toy", fingerprint="f", stream=stream,
        checkpoints=store or MemoryCheckpoints(),
    )  # fmt: skip
    return made.task, result, stream


def weights(task):
    return torch.cat(
        [
            value.detach().float().flatten()
            for module in task.modules.values()
            for value in module.state_dict().values()
        ]
    )


class Aloud(ListStream):
    """Says at every report that there was one."""

    def log(self, images_seen, values):
        print("reported", flush=True)


def train_until_stopped():
    """For a process of its own."""
    trained(vae, processes=2, images=800_000, reports=1000, stream=Aloud())

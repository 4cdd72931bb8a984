import math

import pytest
import torch
from tests.support.generator_world import (
    CPU,
    Training,
    check_reproducible,
    hyperparameters,
    world,
)
from tests.support.parameters import section

from lexipix.data.tokenization import EOS_ID, PAD_ID
from lexipix.models.image_tokenizer import ImageTokenizer
from lexipix.models.language_model import small_gpt2
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.token_generator import CELLS, TokenGenerator
from lexipix.models.tokens_to_image import TokensToImage
from lexipix.training.builders.common import pca_sample
from lexipix.training.flops import step_cost
from lexipix.training.precision import Precision
from lexipix.training.tasks.token_generator import TokenGeneratorTask

LEVELS = [[4, 3, 2], [3, 3]]


def make(**changes):
    torch.manual_seed(0)
    image_tokenizer = ImageTokenizer(16, LEVELS, 8, 1)
    image_tokenizer.init_from_pca(pca_sample(world().images))
    model = small_gpt2(world().vocabulary + 24 + 9 + 2, 48 + CELLS, 32, 1, EOS_ID, cross_attention=False)
    generator = TokenGenerator(model, LEVELS, (1, 1), 1, 32, 8, PAD_ID)
    text_encoder = TextEncoder(world().vocabulary, 48, 32, 1, 8)
    settings = {
        "discriminator_learning_rate": 4e-4, "pixel_weight": 1.0, "pixel_pool": 1, "learning_rate": 1e-3,
        "pretrain_learning_rate": 4e-3, "pretrain_fraction": 0.5, "flip": True,
    }  # fmt: skip
    return TokenGeneratorTask(
        TokensToImage(text_encoder, generator, image_tokenizer), world().discriminator(), world().data(),
        hyperparameters(**(settings | changes)),
    )  # fmt: skip


def test_a_few_images_are_learned():
    result, _, _ = Training(lambda: make(pretrain_fraction=1.0), images=320)()
    losses = [row["val_loss_of_1"] for row in result.curves]
    assert losses[-1] < losses[0] < math.log(24)
    assert {"val_loss_of_1", "val_loss_of_2", "val_psnr", "val_alignment"} <= result.metrics.keys()


def test_generated_images_come_near_to_the_real_ones():
    """By gradients through the choice of tokens alone: the squared error is the only loss."""
    task = make(
        pretrain_fraction=0.0, adversarial_weight=0.0, contrastive_weight=0.0, pixel_weight=10.0,
        learning_rate=4e-3,
    )  # fmt: skip
    torch.manual_seed(3)
    errors = [float(task.step(torch.arange(8), 0.5)["pixel_loss"]) for _ in range(40)]
    assert sum(errors[-10:]) < 0.7 * sum(errors[:10])


def test_rates_restart_where_the_adversarial_part_begins():
    assert make().lr_restarts == (0.5,) and make(pretrain_fraction=1.0).lr_restarts == ()
    assert make().learns_from == 0.5 and make(pretrain_fraction=1.0).learns_from == 0.0


@pytest.mark.parametrize(
    ("pretrain_fraction", "counted"),
    [(0.5, {"prediction", "discriminator", "generator"}), (1.0, {"prediction"})],
)
def test_operations_of_every_phase_are_counted(monkeypatch, pretrain_fraction, counted):
    """With the folder's adversarial half, whose first twentieth trains the discriminator alone."""
    task = make(pretrain_fraction=pretrain_fraction, discriminator_warmup=0.05)
    stepped = set()
    for name, optimizer in task.optimizers.items():
        step = optimizer.step
        monkeypatch.setattr(optimizer, "step", lambda n=name, s=step: stepped.add(n) or s())
    assert step_cost(task, 4, section("run"), Precision(CPU, False)).flops > 0
    assert stepped == counted


@pytest.mark.parametrize("progress", [0.2, 0.8])
def test_only_the_token_generator_learns(progress):
    task = make()
    model = task.tokens_to_image
    before = {key: value.clone() for key, value in model.state_dict().items()}
    task.step(torch.arange(8), progress)
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and all(key.startswith("token_generator.") for key in changed)
    assert not any(key.startswith("token_generator.level_features") for key in changed)


def test_one_seed_gives_the_same_bytes_interrupted_or_not():
    check_reproducible(lambda: make(gradient_accumulation_steps=2))

"""A handful of scenes, networks small enough for many updates a second, and their trainings."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pytest
import torch
from tests.support.parameters import section
from tests.support.toy import ListStream, MemoryCheckpoints

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.tokenization import EOS_ID, PAD_ID, train_tokenizer
from lexipix.models.discriminator import Discriminator
from lexipix.models.image_encoder import ConvImageEncoder
from lexipix.models.language_model import small_gpt2
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.upsampling import UpsamplingDecoder
from lexipix.models.vae import VAE
from lexipix.scenes import caption, paraphrases, render_many, sample_scene
from lexipix.training.feedback import ValidationFeedback
from lexipix.training.generator_validation import GeneratorData, GeneratorValidation
from lexipix.training.loop import train
from lexipix.training.tasks.base import TrainingResult
from lexipix.training.tasks.gan import GANHyperparameters, GANTask, PretrainedGANTask
from lexipix.training.tasks.prior import PriorTask

CPU = torch.device("cpu")
N_IMAGES, SIZE, CHANNELS = 12, 16, (4, 6, 8)


@dataclass(frozen=True)
class World:
    """Scenes with their captions, and everything a generator's training starts from."""

    images: np.ndarray
    captions: CaptionRows
    groups: np.ndarray
    vocabulary: int

    def vae(self) -> VAE:
        torch.manual_seed(0)
        return VAE(SIZE // 8, 4, width=8, depth=1)

    def encoder(self) -> ConvImageEncoder:
        torch.manual_seed(1)
        return ConvImageEncoder(CHANNELS, (0, 0, 0), 8).eval()

    def text_to_image(self, upsampling=False) -> TextToImage:
        torch.manual_seed(2)
        return TextToImage(
            small_gpt2(self.vocabulary, 48, 32, 1, EOS_ID),
            TextEncoder(self.vocabulary, 48, 32, 1, 8),
            TextPrior(64, 8, 4, 32, 1, 3),
            UpsamplingDecoder(SIZE, 4, 8) if upsampling else self.vae().decoder,
            PAD_ID,
        )

    def discriminator(self) -> Discriminator:
        encoder = self.encoder()
        torch.manual_seed(3)
        return Discriminator(encoder, 8, width=8)

    def validation(self) -> GeneratorValidation:
        return GeneratorValidation(self.images, self.captions, self.groups, self.encoder())

    def data(self) -> GeneratorData:
        return GeneratorData(self.images, self.captions, self.groups, self.validation())

    def feedback(self, data, **changes) -> ValidationFeedback:
        parameters = section("generator.feedback", {"plateau_patience": 1} | changes)
        return ValidationFeedback(parameters, data.captions, data.validation)

    def prior_task(self, model=None, encoder=None, with_feedback=False, flip=False, **changes) -> PriorTask:
        """``changes`` are dotted keys of ``generator.prior``."""
        settings = {"training.learning_rate": 2e-3, "imle_candidates": 1, "primary_caption_prob": 0.5}
        parameters = section("generator.prior", settings | changes)
        model, encoder, data = model or self.text_to_image(), encoder or self.vae().encoder, self.data()
        task = PriorTask(model, encoder, data, parameters, flip)
        if with_feedback:
            task.feedback = self.feedback(data)
        return task

    def gan_task(self, upsampling=False, with_feedback=False, **changes) -> GANTask:
        """A GAN; one with ``pretrain_fraction`` is pretrained by the VAE's decoder."""
        data = self.data()
        parts = self.discriminator(), data, hyperparameters(**changes)
        if "pretrain_fraction" in changes:
            task = PretrainedGANTask(self.text_to_image(True), self.vae().decoder, *parts)
        else:
            task = GANTask(self.text_to_image(upsampling), *parts)
        if with_feedback:
            task.feedback = self.feedback(data)
        return task


def hyperparameters(learning_rate=2e-3, **changes) -> GANHyperparameters:
    """A hinge GAN without penalty, warm-up or augmentation; ``changes`` are its or ``generator.gan``'s."""
    losses = {
        "gan_loss": "hinge", "discriminator_learning_rate": 2e-3, "adversarial_weight": 1.0,
        "pixel_weight": 10.0, "pixel_pool": 4, "ssim_weight": 0.0, "contrastive_weight": 0.5,
        "energy_weight": 0.0, "gp_weight": 0.0, "r1_gamma": 0.0, "discriminator_warmup": 0.0,
        "augmentations": (),
    }  # fmt: skip
    gan = losses | {name: changes.pop(name) for name in losses.keys() & changes}
    schedule = {
        "pretrain_fraction": 0.0, "primary_caption_prob": 0.5, "flip": False,
        "gradient_accumulation_steps": 1,
    }  # fmt: skip
    parameters = section("generator.gan", gan | {"training.learning_rate": learning_rate})
    return GANHyperparameters(parameters, **(schedule | changes))


@cache
def world() -> World:
    """The same for every test; its methods make networks anew."""
    rng = np.random.default_rng(0)
    scenes = [sample_scene(rng) for _ in range(N_IMAGES)]
    images = render_many(scenes, rng, SIZE)
    texts, others = [caption(s) for s in scenes], [list(paraphrases(s)) for s in scenes]
    tokenizer = train_tokenizer(texts, 300)
    groups = np.unique(texts, return_inverse=True)[1].astype(np.int64)
    return World(images, CaptionRows(texts, others, tokenizer, 48, CPU), groups, tokenizer.get_vocab_size())


@dataclass(frozen=True)
class Training:
    """Runs short trainings of a task that is made anew each time."""

    make: Callable
    images: int = 64
    device: str = "cpu"
    precision: str = "fp32"
    validations: int = 4

    def __call__(self, stream=None, checkpoints=None, seed=5) -> tuple[TrainingResult, dict, ListStream]:
        """Give the result, the bytes of the shipped weights, and the stream."""
        task = self.make()
        stream = stream or ListStream()
        result = train(
            task,
            section("generator.vae.training", {
                "num_images": self.images, "batch_size": 8, "learning_rate": 2e-3,
                "num_validations": self.validations, "checkpoint_seconds": 1e-9,
            }),
            section("run", {
                "seed": seed, "threads": 1, "device": self.device, "precision": self.precision,
            }),
            name="toy",
            key="toy.training",
            fingerprint="f",
            stream=stream,
            checkpoints=checkpoints or MemoryCheckpoints(),
        )  # fmt: skip
        weights = {
            f"{name}.{key}": value.numpy().tobytes()
            for name, module in task.modules.items()
            for key, value in module.state_dict().items()
        }
        return result, weights, stream


def check_reproducible(make: Callable) -> None:
    """One seed gives the same bytes, interrupted by Ctrl-C between two validations or not."""
    run = Training(make, images=32, validations=2)
    whole, weights, stream = run()
    store = MemoryCheckpoints()
    stopped = ListStream(interrupt_at=2)
    with pytest.raises(KeyboardInterrupt):
        run(stopped, store)
    assert store.kept is not None and store.kept[1]["images_seen"] == 24
    assert stopped.rows == stream.rows
    rest, weights_resumed, stream_rest = run(checkpoints=store)

    assert stream_rest.rows == stream.rows[1:]
    assert weights_resumed == weights
    assert [row["images_seen"] for row in rest.curves] == [row["images_seen"] for row in whole.curves]
    assert np.array_equal(rest.sample_grid, whole.sample_grid)
    assert store.kept is None


def pair_on(sheet, number, n_pairs, size):
    """The upper and the lower picture of a pair on a sheet of small pictures, at their own size."""
    scale = 96 // size
    columns = min(n_pairs, math.ceil(math.sqrt(2 * n_pairs)))
    y, x = number // columns * (2 * 96 + 2 + 8), number % columns * (96 + 8)
    upper, lower = (sheet[top : top + 96, x : x + 96] for top in (y, y + 96 + 2))
    return upper[::scale, ::scale], lower[::scale, ::scale]


def parts_moved_by(task, progress, steps=3):
    """Names of the parts whose weights some updates change."""

    def weights():
        return {
            f"{name}.{key}": value.detach().clone()
            for name, module in task.modules.items()
            for key, value in module.named_parameters()
        }

    before = weights()
    for _ in range(steps):
        task.step(torch.arange(8), progress)
    after = weights()
    return {".".join(key.split(".")[:2]) for key in before if not torch.equal(before[key], after[key])}

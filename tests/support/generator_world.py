"""A handful of scenes, networks small enough for many updates a second, and what a training talks to."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
import torch

from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
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
from lexipix.training.generator_validation import GeneratorValidation
from lexipix.training.loop import train
from lexipix.training.tasks.base import TrainingResult

CPU = torch.device("cpu")
N_IMAGES, SIZE, CHANNELS = 12, 16, (4, 6, 8)


@dataclass
class ListStream:
    """A metric stream that remembers, and stops the training by Ctrl-C after some reports."""

    interrupt_after: int | None = None
    rows: list = field(default_factory=list)
    sheets: list = field(default_factory=list)

    def log(self, images_seen, values):
        self.rows.append((images_seen, dict(values)))
        if len(self.rows) == self.interrupt_after:
            raise KeyboardInterrupt

    def image(self, key, images_seen, image):
        self.sheets.append(image)


@dataclass
class MemoryCheckpoints:
    """A checkpoint store in memory; what it keeps is a copy, as on disk."""

    kept: tuple | None = None

    def save(self, tensors, meta):
        self.kept = {key: value.clone() for key, value in tensors.items()}, deepcopy(dict(meta))

    def load(self):
        return deepcopy(self.kept)

    def clear(self):
        self.kept = None


@dataclass(frozen=True)
class World:
    """Scenes with their captions, and everything a generator's training starts from."""

    images: np.ndarray
    captions: CaptionRows
    groups: np.ndarray
    vocabulary: int

    def vae(self) -> VAE:
        torch.manual_seed(0)
        return VAE(SIZE, 4, width=8, depth=1)

    def encoder(self) -> ConvImageEncoder:
        torch.manual_seed(1)
        return ConvImageEncoder(CHANNELS, (0, 0, 0), 8).eval()

    def text_to_image(self, upsampling=False, memory=0) -> TextToImage:
        torch.manual_seed(2)
        return TextToImage(
            small_gpt2(self.vocabulary, 48, 32, 1, EOS_ID),
            TextEncoder(self.vocabulary, 48, 32, 1, 8),
            TextPrior(64, 8, 4, 32, 1, 3, memory),
            UpsamplingDecoder(SIZE, 4, 8) if upsampling else self.vae().decoder,
            PAD_ID,
        )

    def discriminator(self) -> Discriminator:
        encoder = self.encoder()
        torch.manual_seed(3)
        return Discriminator(encoder, CHANNELS, 8, width=8)

    def validation(self) -> GeneratorValidation:
        return GeneratorValidation(self.images, self.captions, self.groups, self.encoder(), CPU)


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

    def __call__(self, stream=None, checkpoints=None, seed=5) -> tuple[TrainingResult, dict, ListStream]:
        """Give the result, the bytes of the shipped weights, and what the stream heard."""
        task = self.make()
        stream = stream or ListStream()
        result = train(
            task,
            TrainingParameters(
                images=self.images, batch_size=8, learning_rate=2e-3, reports=4, checkpoint_seconds=1e-9
            ),
            RunParameters(seed=seed, threads=1, device=self.device, precision=self.precision),
            name="toy",
            fingerprint="f",
            stream=stream,
            checkpoints=checkpoints or MemoryCheckpoints(),
        )
        weights = {
            f"{name}.{key}": value.numpy().tobytes()
            for name, module in task.modules.items()
            for key, value in module.state_dict().items()
        }
        return result, weights, stream


def check_reproducible(make: Callable) -> None:
    """The same seed gives the same bytes, and another seed others."""
    run = Training(make)
    first, weights, heard = run()
    second, weights_again, heard_again = run()
    assert weights == weights_again
    assert heard.rows == heard_again.rows
    assert np.array_equal(first.sheet, second.sheet)
    assert run(seed=6)[1] != weights


def check_resumes(make: Callable) -> None:
    """A training stopped by Ctrl-C and started again ends like one that ran through, to the bit."""
    run = Training(make)
    whole, weights, heard = run()
    store = MemoryCheckpoints()
    stopped = ListStream(interrupt_after=3)
    with pytest.raises(KeyboardInterrupt):
        run(stopped, store)
    assert store.kept is not None and 0 < store.kept[1]["images_seen"] < run.images
    rest, weights_resumed, heard_rest = run(checkpoints=store)

    assert heard_rest.rows == [row for row in heard.rows if row[0] >= stopped.rows[-1][0]]
    assert weights_resumed == weights
    assert [row["images_seen"] for row in rest.curves] == [row["images_seen"] for row in whole.curves]
    assert np.array_equal(rest.sheet, whole.sheet)
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

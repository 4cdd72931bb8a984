"""A text-conditional diffusion U-Net of `diffusers`, trained for a given time.

Its condition is the text encoding of lexipix's prior, from frozen networks: cross-attention to the states of
a caption's tokens, and the embedding of the whole caption added to the time embedding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from generation import best_precision
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.nn import functional as F

from lexipix.config.run import RunParameters
from lexipix.data.caption_batches import CaptionRows
from lexipix.data.images import ImageRows, Images, to_uint8
from lexipix.models.text_to_image import TextEncoding
from lexipix.training.flops import step_cost
from lexipix.training.precision import Precision
from lexipix.training.schedule import learning_rate_factor, rows_of_step
from lexipix.training.state import ExponentialMovingAverage
from lexipix.utils.seeding import seeded

Pixels = NDArray[np.uint8]
Read = Callable[[Tensor], TextEncoding]

HEADS, GROUPS = 4, 16
WARMUP, EMA_SHARE = 0.03, 0.02
PRIMARY_CAPTION_PROB = 0.5  # probability of the first wording of a caption, the one that is evaluated
CAPTION_DROPOUT = 0.1  # needed for classifier-free guidance


@dataclass(frozen=True)
class Design:
    """Size and training of the U-Net.

    Chosen by trainings of 75 s on scenes, on two cores without bf16. Attribute accuracy with 10 steps: 0.28
    with these values; 0.04 and 0.25 with learning rates of 0.002 and 0.0005; 0.27 without cross-attention;
    0.25 with uniform times; 0.12 with prediction of the velocity instead of the image.

    Attributes:
        channels: From the finest scale to the coarsest; each has half the side of the one before.
        attended: Number of coarsest scales with cross-attention to the words.
        patch: Side in pixels of the patches that form one position of the finest scale.
        batch: Images per step.
        learning_rate: Peak rate of AdamW.
    """

    channels: tuple[int, ...] = (64, 128, 128)
    attended: int = 1
    patch: int = 2
    batch: int = 32
    learning_rate: float = 1e-3


def schedule() -> DDIMScheduler:
    """Return the noise schedule.

    Its last step is pure noise, and sampling starts there with any number of steps (Lin et al. 2023,
    arXiv 2305.08891). Otherwise a sampler with one step would start at a noise level that was never trained.
    """
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


class CaptionedUNet(nn.Module):
    """The U-Net on patches of pixels, with their coordinates as input.

    Args:
        design: Size.
        image_size: Side of the images.
        states_width: Width of the tokens' states.
        embed_dim: Width of a caption's embedding.
    """

    places: Tensor

    def __init__(self, design: Design, image_size: int, states_width: int, embed_dim: int) -> None:
        super().__init__()
        side, n_scales = image_size // design.patch, len(design.channels)
        kinds = ["CrossAttn" if n_scales - i <= design.attended else "" for i in range(n_scales)]
        self.unet = UNet2DConditionModel(
            sample_size=side,
            in_channels=3 * design.patch**2 + 2,
            out_channels=3 * design.patch**2,
            block_out_channels=design.channels,
            layers_per_block=1,
            down_block_types=tuple(f"{kind}DownBlock2D" for kind in kinds),
            mid_block_type=f"UNetMidBlock2D{kinds[-1]}",
            up_block_types=tuple(f"{kind}UpBlock2D" for kind in reversed(kinds)),
            cross_attention_dim=states_width,
            attention_head_dim=HEADS,  # which is the number of heads there, whatever its name
            norm_num_groups=GROUPS,
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=embed_dim,
        )
        self.patch, self.scale = design.patch, embed_dim**0.5
        line = torch.linspace(-1, 1, side)
        self.register_buffer("places", torch.stack(torch.meshgrid(line, line, indexing="ij"))[None])

    def forward(self, noisy: Tensor, times: Tensor, reading: TextEncoding) -> Tensor:
        """Predict images (B, 3, S, S) from noisy ones (B, 3, S, S) at times (B,) or ()."""
        squares = F.pixel_unshuffle(noisy, self.patch)  # (B, 3 p², S/p, S/p)
        inputs = torch.cat([squares, self.places.expand(len(squares), -1, -1, -1).to(squares.dtype)], 1)
        guess = self.unet(
            inputs.contiguous(memory_format=torch.channels_last),
            times,
            reading.hidden_states,
            class_labels=reading.embedding * self.scale,  # from length 1 to numbers of about 1
            encoder_attention_mask=reading.mask,
        ).sample
        return F.pixel_shuffle(guess, self.patch)


class UNetTask:
    """The training task of the U-Net, with the interface of lexipix's tasks.

    Args:
        unet: The trained network.
        read: Returns the text encoding of token ids (B, L).
        images: Training pictures, uint8 (N, S, S, 3).
        captions: Their captions.
        learning_rate: Peak rate.
        flip: Flip images at random; only where captions name no side.
    """

    averaged: Sequence[str] = ("unet",)
    phases: Sequence[float] = (0.0,)

    def __init__(
        self,
        unet: CaptionedUNet,
        read: Read,
        images: Images,
        captions: CaptionRows,
        learning_rate: float,
        flip: bool,
    ) -> None:
        self.unet, self.read = unet, read
        self.images, self.captions, self.flip = ImageRows(images, captions.device), captions, flip
        self.modules: Mapping[str, nn.Module] = {"unet": unet}
        self.optimizers = {"unet": torch.optim.AdamW(unet.parameters(), learning_rate, betas=(0.9, 0.99))}
        self.n_rows = len(images)
        self.schedule = schedule()

    def step(self, rows: Tensor, progress: float) -> dict[str, Tensor]:
        """Update the weights on images at random times, with a random caption of each or none."""
        images = self.images[rows]
        if self.flip and torch.rand(()) < 0.5:
            images = images.flip(-1)
        with torch.no_grad():
            reading = self.read(self.captions.sample(rows, PRIMARY_CAPTION_PROB))
            reading = drop_captions(reading, torch.rand(len(rows), device=images.device) >= CAPTION_DROPOUT)
        noise = torch.randn_like(images)
        # Late times, where the caption decides, come more often: a root of a uniform number
        share = torch.rand(len(rows), device=images.device).sqrt()
        n_times = self.schedule.config.num_train_timesteps
        times = (share * n_times).long().clamp_max(n_times - 1)
        noisy = self.schedule.add_noise(images, noise, times)
        guess = self.unet(noisy, times, reading).float()
        loss = F.mse_loss(guess, images)
        self.optimizers["unet"].zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimizers["unet"].step()
        return {"loss": loss}

    def validate(self) -> dict[str, float]:
        """Return nothing: this training has a fixed length."""
        return {}

    def sheet(self) -> None:
        """Return nothing: images are drawn after the training."""


@dataclass
class Trained:
    """The U-Net after its training.

    Attributes:
        unet: The network with averaged weights.
        read: Returns the text encoding of token ids (B, L).
        encode: Returns token ids (N, L) of captions.
        image_size: Side of the images.
        dtype: Data type of drawing.
    """

    unet: CaptionedUNet
    read: Read
    encode: Callable[[Sequence[str]], Tensor]
    image_size: int
    dtype: torch.dtype = torch.float32

    def in_best_precision(self, captions: Sequence[str]) -> Trained:
        """Return this network or a copy in bfloat16, whichever draws these captions faster."""
        tried: dict[str, Trained] = {}

        def make(unet: CaptionedUNet, dtype: torch.dtype) -> Callable[[], object]:
            name = "bf16" if dtype == torch.bfloat16 else "fp32"
            tried[name] = replace(self, unet=unet, dtype=dtype)
            draw = tried[name].drawing(captions, 1, 1.0, 0)
            return lambda: draw(slice(None))

        return tried[best_precision(self.unet, make)[1]]

    def drawing(
        self, captions: Sequence[str], steps: int, guidance: float, seed: int
    ) -> Callable[[slice], Pixels]:
        """Return a function that draws a slice of the captions; caption n always gets noise n."""
        shape = (len(captions), 3, self.image_size, self.image_size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))

        def draw(rows: slice) -> Pixels:
            return self.draw(self.encode(captions[rows]), noise[rows], steps, guidance)

        return draw

    @torch.inference_mode()
    def draw(self, ids: Tensor, noise: Tensor, steps: int, guidance: float) -> Pixels:
        """Draw images, uint8 (B, S, S, 3), of captions ``ids`` (B, L) from noise (B, 3, S, S).

        Args:
            ids: Token ids.
            noise: Standard normal.
            steps: Number of DDIM steps.
            guidance: Scale of classifier-free guidance (Ho and Salimans 2022, arXiv 2207.12598). 1 is none;
                any other value doubles the cost.
        """
        scheduler = schedule()
        scheduler.set_timesteps(steps)
        states, mask, vector = self.read(ids)
        reading = TextEncoding(states.to(self.dtype), mask, vector.to(self.dtype))
        if guidance != 1:
            twice = TextEncoding(*(torch.cat([part, part]) for part in reading))
            reading = drop_captions(twice, torch.arange(2 * len(ids)) < len(ids))
        images = noise
        for moment in scheduler.timesteps:
            inputs = images.to(self.dtype)
            if guidance == 1:
                guess = self.unet(inputs, moment, reading).float()
            else:
                conditional, unconditional = (
                    self.unet(torch.cat([inputs, inputs]), moment, reading).float().chunk(2)
                )
                guess = unconditional + guidance * (conditional - unconditional)
            images = scheduler.step(guess, moment, images).prev_sample
        return to_uint8(images)


def drop_captions(reading: TextEncoding, kept: Tensor) -> TextEncoding:
    """Return the text encoding with the captions zeroed where ``kept`` (B,) is false."""
    share = kept.to(reading.embedding.dtype)[:, None]
    return TextEncoding(reading.hidden_states * share[..., None], reading.mask, reading.embedding * share)


def train(task: UNetTask, seconds: float, batch: int, run: RunParameters) -> dict[str, Any]:
    """Train for the given seconds, then load the averaged weights; the learning rate follows the clock.

    Returns:
        Seconds, images seen, MFLOP per image, precision, and the mean loss of the last steps.
    """
    columns = TextColumn("U-Net"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    group = task.optimizers["unet"].param_groups[0]
    peak, images_seen, loss, spent = group["lr"], 0, 0.0, 0.0
    with seeded(run.seed), shown:
        machine = Precision.of_run(run)
        machine.prepare(task.modules)
        flops = step_cost(task, batch, run, machine).flops
        averages = ExponentialMovingAverage(task.modules, EMA_SHARE)
        bar = shown.add_task("", total=seconds)
        start = time.monotonic()
        while spent < seconds:
            group["lr"] = peak * learning_rate_factor(spent / seconds, WARMUP)
            rows = rows_of_step(images_seen, batch, task.n_rows, run.seed)
            with machine.autocast():
                latest = task.step(rows, spent / seconds)["loss"].item()
            images_seen += batch
            averages.update(images_seen, batch)
            loss += (latest - loss) / min(100, images_seen // batch)
            spent = time.monotonic() - start
            shown.update(bar, completed=spent, description=f"{images_seen:,} images, loss {loss:.3f}")
    averages.restore(averages.weights)
    task.unet.eval()
    return {
        "seconds": round(spent, 1), "images seen": images_seen, "MFLOP per image": round(flops / 1e6),
        "parameters": sum(weight.numel() for weight in task.unet.parameters()),
        "precision": machine.name, "loss": round(loss, 4),
    }  # fmt: skip

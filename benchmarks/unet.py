"""A diffusion U-Net of `diffusers` that draws pictures from captions, trained against the clock.

It reads what lexipix's prior reads, for nothing: the states of a caption's words, which it attends to, and
the vector of the whole caption, which joins the time embedding, from networks that stay as they are.
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
from lexipix.training.ema import Averages
from lexipix.training.precision import choose_precision, step_flops
from lexipix.training.schedule import learning_rate_factor, rows_of_step
from lexipix.utils.seeding import seeded

Pixels = NDArray[np.uint8]
Read = Callable[[Tensor], TextEncoding]

HEADS, GROUPS = 4, 16
WARMUP, EMA_SHARE = 0.03, 0.02
CANONICAL_SHARE = 0.5  # of the captions drawn in their first wording, the one that is judged
UNSAID = 0.1  # share of the captions that are dropped, so that guidance is possible


@dataclass(frozen=True)
class Design:
    """Size and training of the U-Net.

    Chosen by trainings of 75 s on scenes, two cores without bf16; attributes found in 10 steps: these values
    0.28, rates of 0.002 and 0.0005 0.04 and 0.25, no words attended to 0.27, late times no more frequent than
    others 0.25, and the velocity guessed instead of the picture 0.12.

    Attributes:
        channels: From the finest scale to the coarsest; each is half as fine as the one before.
        attended: Coarsest scales at which the words are attended to.
        patch: Side of the squares of pixels that make one place of the finest scale.
        batch: Pictures in a step.
        learning_rate: Peak of AdamW's.
    """

    channels: tuple[int, ...] = (64, 128, 128)
    attended: int = 1
    patch: int = 2
    batch: int = 32
    learning_rate: float = 1e-3


def schedule() -> DDIMScheduler:
    """The way from picture to noise and back.

    The last step of the way there is noise alone, and the first step back starts from it however few steps
    there are (Lin et al. 2023, arXiv 2305.08891): a sampler of one step would else start where the training
    never was.
    """
    return DDIMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="sample",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )


class CaptionedUNet(nn.Module):
    """The U-Net on squares of pixels, told where each of them lies.

    Args:
        design: Its size.
        image_size: Side of the pictures.
        states_width: Of the words' states.
        embed_dim: Of a caption's vector.
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
        """The pictures (B, 3, S, S) under noisy ones (B, 3, S, S) at times (B,) or ()."""
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
    """The U-Net in training, as lexipix's probe of precision and its averages know a training.

    Args:
        unet: It learns.
        read: Gives the reading of token ids (B, L).
        images: Training pictures, uint8 (N, S, S, 3).
        captions: Their wordings.
        learning_rate: Peak rate.
        flip: Mirror pictures; only where captions name no side.
    """

    averaged: Sequence[str] = ("unet",)

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
        """One update from pictures at random times, from a random wording of each caption or none."""
        images = self.images[rows]
        if self.flip and torch.rand(()) < 0.5:
            images = images.flip(-1)
        with torch.no_grad():
            reading = self.read(self.captions.sample(rows, CANONICAL_SHARE))
            reading = said(reading, torch.rand(len(rows), device=images.device) >= UNSAID)
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
        """Nothing: the length of this training is given."""
        return {}

    def sheet(self) -> None:
        """Nothing: what it draws is shown when it has finished."""


@dataclass
class Trained:
    """The U-Net after its training.

    Attributes:
        unet: With averaged weights.
        read: Gives the reading of token ids (B, L).
        encode: Gives token ids (N, L) of captions.
        image_size: Side of the pictures.
        dtype: In which it draws.
    """

    unet: CaptionedUNet
    read: Read
    encode: Callable[[Sequence[str]], Tensor]
    image_size: int
    dtype: torch.dtype = torch.float32

    def in_best_precision(self, captions: Sequence[str]) -> Trained:
        """This one or a copy in bfloat16, whichever draws these captions faster."""
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
        """Give what draws pictures of some of the captions; the n-th always gets the n-th noise."""
        shape = (len(captions), 3, self.image_size, self.image_size)
        noise = torch.randn(shape, generator=torch.Generator().manual_seed(seed))

        def draw(rows: slice) -> Pixels:
            return self.draw(self.encode(captions[rows]), noise[rows], steps, guidance)

        return draw

    @torch.inference_mode()
    def draw(self, ids: Tensor, noise: Tensor, steps: int, guidance: float) -> Pixels:
        """Pictures, uint8 (B, S, S, 3), of captions ``ids`` (B, L) from noise (B, 3, S, S).

        Args:
            ids: Token ids.
            noise: Standard normal.
            steps: Of DDIM.
            guidance: 1 for none; more moves away from what the U-Net draws without a caption, at twice the
                cost (Ho and Salimans 2022, arXiv 2207.12598).
        """
        scheduler = schedule()
        scheduler.set_timesteps(steps)
        states, mask, vector = self.read(ids)
        reading = TextEncoding(states.to(self.dtype), mask, vector.to(self.dtype))
        if guidance != 1:
            twice = TextEncoding(*(torch.cat([part, part]) for part in reading))
            reading = said(twice, torch.arange(2 * len(ids)) < len(ids))
        images = noise
        for moment in scheduler.timesteps:
            inputs = images.to(self.dtype)
            if guidance == 1:
                guess = self.unet(inputs, moment, reading).float()
            else:
                told, untold = self.unet(torch.cat([inputs, inputs]), moment, reading).float().chunk(2)
                guess = untold + guidance * (told - untold)
            images = scheduler.step(guess, moment, images).prev_sample
        return to_uint8(images)


def said(reading: TextEncoding, kept: Tensor) -> TextEncoding:
    """The reading with some captions left out: ``kept`` (B,) is false where nothing was said."""
    share = kept.to(reading.embedding.dtype)[:, None]
    return TextEncoding(reading.hidden_states * share[..., None], reading.mask, reading.embedding * share)


def train(task: UNetTask, seconds: float, batch: int, run: RunParameters) -> dict[str, Any]:
    """Train for so many seconds, then put the averaged weights in; the learning rate follows the clock.

    Returns:
        Seconds, images seen, MFLOP of a step for one image, precision, and the loss of the last steps.
    """
    columns = TextColumn("U-Net"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn()
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    group = task.optimizers["unet"].param_groups[0]
    peak, images_seen, loss, spent = group["lr"], 0, 0.0, 0.0
    with seeded(run.seed), shown:
        machine = choose_precision(task, batch, run, "U-Net")
        machine.prepare(task.modules)
        flops = step_flops(task, batch, run, machine)
        averages = Averages(task.modules, EMA_SHARE)
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

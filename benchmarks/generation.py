"""Drawing speed of lexipix's champion and baseline beside other text-to-image models.

    make bench            or: python benchmarks/generation.py [--env ENV] [--batch 64] [--repeats 5]

All models alternate in one process, with the same threads, batch and image size, each in its faster precision
(fp32 or bf16, tried first). So a slow moment of the machine affects all of them. lexipix is timed from
prompts that are not in its cache to uint8 pixels. The others (extra `bench`) have random weights, which does
not change their speed. The `diffusers` U-Net has its CIFAR-10 configuration; one denoising step is measured,
and multiplied by the steps of DDPM and DDIM. A consistency model takes one step. ImageGPT small of
`transformers` generates a 32x32 image token by token; a token is measured in the middle of an image.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from record import REPOSITORY, Row, plot_ratios, save, spread
from rich.console import Console

from lexipix.cli.project_context import ProjectContext
from lexipix.scenes import caption, sample_scene
from lexipix.training.precision import has_bf16

SIZE = 32
DDPM_STEPS, DDIM_STEPS = 1000, 50
BARS = {"DDIM": 6000.0, "1 step": 130.0}  # targets: how many times faster the champion should be
TOKENS, TOKENS_TIMED, CONTEXT = SIZE * SIZE, 2, 512
DISTINCT = 4096

Call = Callable[[], object]


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--env", help="environment of the models [default: base]")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0, help="0: all cores")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "data/08_reporting/benchmarks")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    console = Console(stderr=True)
    with console.status("loading models and trying precisions …"):
        contestants = {**lexipix(arguments.env, arguments.batch), **others(arguments.batch)}
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for repeat in range(arguments.repeats + 1):  # the first round is not counted
        for name, (call, _) in contestants.items():
            with console.status(f"round {repeat} of {arguments.repeats}: {name}"):
                taken = timed(call)
            if repeat:
                seconds[name].append(taken)
    rates = {
        name: [arguments.batch * share / taken for taken in seconds[name]]
        for name, (_, share) in contestants.items()
    }
    champion = next(name for name in rates if name.endswith("(champion)"))
    rows = [row(name, rates[name], rates[champion]) for name in rates]
    facts = {"threads": torch.get_num_threads(), "batch": arguments.batch, "repeats": arguments.repeats}
    facts |= probe(arguments.env)
    plot = plot_ratios(
        [one["model"] for one in rows],
        [(one["champion is faster by"], one["at least"], one["at most"]) for one in rows],
        [one.get("bar") for one in rows],
        "images/s of the champion over each",
    )
    notes = (__doc__ or "").split("\n\n")[-1]
    page = save("generation", rows, facts, arguments.out, notes, images={"generation": plot})
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


def row(name: str, rates: list[float], champion: list[float]) -> Row:
    """Return a model's images/s, and the ratio of the champion's to it over the rounds."""
    own = spread(rates)
    ahead = spread([ours / theirs for ours, theirs in zip(champion, rates, strict=True)])
    bar = {"bar": next((bar for part, bar in BARS.items() if part in name), None)}
    return {
        "model": name,
        "images/s": own["median"],
        "from": own["min"],
        "to": own["max"],
        "champion is faster by": ahead["median"],
        "at least": ahead["min"],
        "at most": ahead["max"],
        **{key: value for key, value in bar.items() if value is not None},
    }


def lexipix(env: str | None, batch: int) -> dict[str, tuple[Call, float]]:
    """Return the champion, the fast variant and the baseline, each on new prompts."""
    pipe = ProjectContext(REPOSITORY, env).text_to_image("champion")
    prompts = captions()
    found: dict[str, tuple[Call, float]] = {}
    names: set[str] = set()
    for quality in ("balanced", "fast", "best"):
        name, generator = pipe.generator(quality)
        label = f"lexipix {name} ({'champion' if quality == 'balanced' else quality})"
        if name in names:
            continue
        names.add(name)
        noise = np.random.default_rng(0).standard_normal((batch, generator.noise_dim), np.float32)
        state = {"at": 0}

        def draw(generator: Any = generator, noise: Any = noise, state: dict[str, int] = state) -> object:
            # Twenty batches: one is too short to be timed well
            for _ in range(20):
                generator.clear_cache()
                at = state["at"] = (state["at"] + batch) % (len(prompts) - batch)
                generator.generate(prompts[at : at + batch], noise)
            return None

        found[label] = draw, 20.0
    return found


def captions() -> list[str]:
    """Return different captions of scenes; models of other data sets read them as well."""
    rng = np.random.default_rng(0)
    return list(dict.fromkeys(caption(sample_scene(rng)) for _ in range(2 * DISTINCT)))[:DISTINCT]


def others(batch: int) -> dict[str, tuple[Call, float]]:
    """Return the other models, each with the share of a batch's images that a call draws."""
    try:
        from diffusers import CMStochasticIterativeScheduler, DDIMScheduler, UNet2DModel
    except ImportError:
        raise SystemExit(
            "The models to compare with are not installed: .venv/bin/pip install -e '.[bench]'"
        ) from None
    from transformers import ImageGPTConfig, ImageGPTForCausalImageModeling

    unet = UNet2DModel(
        sample_size=SIZE, in_channels=3, out_channels=3, layers_per_block=2,
        block_out_channels=(128, 256, 256, 256), norm_eps=1e-6, downsample_padding=0, flip_sin_to_cos=False,
        freq_shift=1, attention_head_dim=None,
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    ).eval()  # fmt: skip
    noise = torch.randn(batch, 3, SIZE, SIZE)
    ddim = DDIMScheduler()
    ddim.set_timesteps(DDIM_STEPS)
    consistency = CMStochasticIterativeScheduler()
    consistency.set_timesteps(1)

    def step(model: Any, dtype: torch.dtype) -> Call:
        moved = noise.to(dtype).contiguous(memory_format=torch.channels_last)

        @torch.inference_mode()
        def denoise() -> object:
            time_step = ddim.timesteps[DDIM_STEPS // 2]
            return ddim.step(model(moved, time_step).sample, time_step, moved).prev_sample

        return denoise

    def once(model: Any, dtype: torch.dtype) -> Call:
        moved = (noise * consistency.init_noise_sigma).to(dtype).contiguous(memory_format=torch.channels_last)

        @torch.inference_mode()
        def denoise() -> object:
            time_step = consistency.timesteps[0]
            consistency._step_index = None
            given = consistency.scale_model_input(moved, time_step)
            return consistency.step(model(given, time_step).sample, time_step, moved).prev_sample

        return denoise

    step_call, precision = best_precision(unet, step)
    once_call, _ = best_precision(unet, once)
    gpt = ImageGPTForCausalImageModeling(ImageGPTConfig()).eval()
    token_call, gpt_precision = best_precision(gpt, lambda model, dtype: next_tokens(model, dtype, batch))
    return {
        f"U-Net, DDPM {DDPM_STEPS} steps ({precision})": (step_call, 1 / DDPM_STEPS),
        f"U-Net, DDIM {DDIM_STEPS} steps ({precision})": (step_call, 1 / DDIM_STEPS),
        f"U-Net, consistency, 1 step ({precision})": (once_call, 1.0),
        f"ImageGPT small, {TOKENS} tokens ({gpt_precision})": (token_call, TOKENS_TIMED / TOKENS),
    }


def next_tokens(model: Any, dtype: torch.dtype, batch: int) -> Call:
    """Return a call that generates tokens with the key-value cache of half an image."""
    from transformers import DynamicCache

    config = model.config
    shape = (batch, config.n_head, CONTEXT, config.n_embd // config.n_head)
    ids = torch.zeros(batch, 1, dtype=torch.long)

    @torch.inference_mode()
    def write() -> object:
        cache = DynamicCache()
        for layer in range(config.n_layer):
            cache.update(torch.zeros(shape, dtype=dtype), torch.zeros(shape, dtype=dtype), layer)
        start = time.perf_counter()
        for _ in range(TOKENS_TIMED):
            model(input_ids=ids, past_key_values=cache, use_cache=True)
        return time.perf_counter() - start

    return write


def best_precision(model: torch.nn.Module, make: Callable[[Any, torch.dtype], Call]) -> tuple[Call, str]:
    """Return the faster of fp32 and bf16, both with channels_last, and its name."""
    model = model.to(memory_format=torch.channels_last)
    tried = {"fp32": make(model, torch.float32)}
    if has_bf16(torch.device("cpu")):
        import copy

        tried["bf16"] = make(copy.deepcopy(model).to(torch.bfloat16), torch.bfloat16)
        for call in tried.values():
            timed(call)
        return min(((call, name) for name, call in tried.items()), key=lambda one: timed(one[0]))
    return tried["fp32"], "fp32"


def timed(call: Call) -> float:
    """Return the seconds of a call; a call that times itself returns them as a float."""
    start = time.perf_counter()
    own = call()
    return own if isinstance(own, float) else time.perf_counter() - start


def probe(env: str | None) -> dict[str, str]:
    """Measure the machine's arithmetic and the latency of the champion."""
    matrix = torch.randn(1024, 1024)
    images, kernel = torch.randn(64, 128, 8, 8), torch.randn(128, 128, 3, 3)
    images, kernel = (x.contiguous(memory_format=torch.channels_last) for x in (images, kernel))
    products = min(timed(lambda: matrix @ matrix) for _ in range(10))
    convolutions = min(timed(lambda: torch.conv2d(images, kernel, padding=1)) for _ in range(10))
    context = ProjectContext(REPOSITORY, env)
    _, generator = context.text_to_image("champion").generator()
    prompts, noise = captions(), np.zeros((1, generator.noise_dim), np.float32)
    latencies = []
    for prompt in prompts[:200]:
        generator.clear_cache()
        start = time.perf_counter()
        generator.generate([prompt], noise)
        latencies.append(time.perf_counter() - start)
    milliseconds = np.percentile(np.array(latencies[20:]) * 1e3, [50, 95, 99])
    return {
        "fp32 matrix products": f"{2 * 1024**3 / products / 1e9:.0f} GFLOP/s",
        "fp32 convolutions": f"{2 * 64 * 64 * 9 * 128**2 / convolutions / 1e9:.0f} GFLOP/s",
        "champion's MFLOP": f"{context.load('champion').config['figures'].get('mflop', float('nan')):.0f}",
        "champion, one image, p50/p95/p99": " / ".join(f"{value:.2f}" for value in milliseconds) + " ms",
    }


if __name__ == "__main__":
    main()

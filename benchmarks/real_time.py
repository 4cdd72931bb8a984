"""Drawing in a loop of 60 frames per second, each of another prompt: frames missed, milliseconds per frame.

    python benchmarks/real_time.py [--env ENV] [--seconds 60] [--hz 60] [--quality fast balanced best]

Needs a whole run of the environment. Each frame draws the next caption of the test images, with new noise,
from text to pixels. No caption is in the cache, so that the text encoder runs every time. As on a screen, a
frame begins at a fixed time, and its image must be there before the next one begins. An image that takes
longer misses its own frame and all that begin meanwhile. Percentiles are of the time that drawing takes.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np
from record import REPOSITORY, Row, options, save

from lexipix.cli.project_context import ProjectContext
from lexipix.data.captioned import captioned
from lexipix.inference.onnx_generator import OnnxGenerator, sample_noise

WARM_UP = 30  # frames that are not counted


@dataclass(frozen=True)
class FrameTimes:
    """What a loop of frames reached."""

    seconds: Sequence[float]  # of each frame that was drawn
    n_due: int  # frames that should have been drawn
    n_late: int  # drawn, but not in time

    @property
    def n_missed(self) -> int:
        """Frames without an image in time."""
        return self.n_due - len(self.seconds) + self.n_late


def run_loop(
    draw: Callable[[int], object],
    hz: float,
    n_frames: int,
    clock: Callable[[], float] = time.perf_counter,
    sleep: Callable[[float], object] = time.sleep,
) -> FrameTimes:
    """Draw frames at fixed times; ``draw`` gets the frame's number, counted from 0."""
    seconds: list[float] = []
    frame = n_late = 0
    start = clock()
    while frame < n_frames:
        due = start + frame / hz
        while (wait := due - clock()) > 0:
            sleep(wait)
        began = clock()
        draw(frame)
        ended = clock()
        seconds.append(ended - began)
        n_late += ended > due + 1 / hz
        frame = max(frame + 1, int(np.ceil((ended - start) * hz)))
    return FrameTimes(seconds, n_frames, n_late)


def row(model: str, times: FrameTimes) -> Row:
    """The row of a table."""
    p50, p99 = 1000 * np.percentile(times.seconds, [50, 99])
    return {
        "model": model,
        "frames": times.n_due,
        "missed": times.n_missed,
        "missed, %": 100 * times.n_missed / times.n_due,
        "p50, ms": float(p50),
        "p99, ms": float(p99),
        "max, ms": 1000 * max(times.seconds),
    }


def measure(generator: OnnxGenerator, prompts: Sequence[str], hz: float, seconds: float) -> FrameTimes:
    """Draw the prompts one after the other, from the start again after the last."""
    n_frames = max(1, round(hz * seconds))
    inputs = list(islice(cycle(prompts), n_frames))
    noise = [sample_noise(0, index, generator.noise_dim) for index in range(n_frames)]

    def draw(frame: int) -> object:
        generator.clear_cache()
        return generator.generate([inputs[frame]], noise[frame])

    for frame in range(min(WARM_UP, n_frames)):
        draw(frame)
    return run_loop(draw, hz, n_frames)


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--env", help="environment of models and captions [default: base]")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each loop [default: 60]")
    parser.add_argument("--hz", type=float, default=60.0, help="frames per second [default: 60]")
    parser.add_argument("--quality", nargs="+", default=["fast", "balanced", "best"], help="of the champion")
    arguments = options(parser, dict)
    context = ProjectContext(REPOSITORY, arguments.env)
    captions = list(dict.fromkeys(captioned(context.load("image_splits").test).captions))
    pipe, rows, size = context.text_to_image("champion"), list[Row](), 0
    for quality in arguments.quality:
        name, generator = pipe.generator(quality)
        size = generator.image_size
        times = measure(generator, captions, arguments.hz, arguments.seconds)
        rows.append(row(f"{name} ({quality})", times))
    facts = {
        "env": arguments.env or "base", "image size": size, "frames per second": arguments.hz,
        "different captions": len(captions),
    }  # fmt: skip
    page = save("real_time", rows, facts, arguments.out, (__doc__ or "").split("\n\n")[-1])
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


if __name__ == "__main__":
    main()

"""Parameters of the generation: what is drawn, redrawn and restored, and what a service refuses."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from lexipix.config.run import Parameters

ModelChoice = Literal["champion", "vae", "gan"]
Quality = Literal["fast", "balanced", "best"]
Optimize = Literal["latent", "noise"]
Init = Literal["best", "picture"]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

MAX_SEED = 2**31 - 1
MAX_CANDIDATES = 1024
MAX_BUDGET = 10_000
MAX_STEPS = 1000


class RedrawParameters(Parameters):
    """Image to caption to image (``generation.redraw.*``)."""

    until: str | None = Field(pattern=r"^\s*(ssim|psnr|score)\s*=\s*-?[0-9.]+\s*$")
    budget: int = Field(ge=1, le=MAX_BUDGET)
    round_size: int = Field(ge=1, le=1_000)
    temperature: float = Field(ge=0, le=5)
    optimize_steps: int = Field(ge=0, le=MAX_STEPS)
    optimize: Optimize
    init: Init


class RestoreParameters(Parameters):
    """Holes and noise to images (``generation.restore.*``)."""

    candidates: int = Field(ge=1, le=MAX_CANDIDATES)
    steps: int = Field(ge=0, le=MAX_STEPS)
    learning_rate: float = Field(gt=0, le=1)


class ServingParameters(Parameters):
    """Limits of a service (``generation.serving.*``); a registered model keeps those of its run."""

    max_prompt_chars: int = Field(ge=1)
    max_images: int = Field(ge=1, le=10_000)
    max_image_mb: float = Field(gt=0)
    max_request_mb: float = Field(gt=0)


class GenerationParameters(Parameters):
    """Parameters of the pipeline ``generation`` and defaults of its commands (``generation.*``)."""

    prompts: tuple[Prompt, ...]
    n: int = Field(ge=1)
    seed: int | None = Field(ge=0, le=MAX_SEED)
    model: ModelChoice
    quality: Quality
    candidates: int = Field(ge=1, le=MAX_CANDIDATES)
    until: str | None = Field(pattern=r"^\s*score\s*=\s*-?[0-9.]+\s*$")
    max_prompts: int = Field(ge=1)
    max_images: int = Field(ge=1)
    redraw: RedrawParameters
    restore: RestoreParameters
    serving: ServingParameters

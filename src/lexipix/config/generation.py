"""Parameters of the generation: what is drawn, how long a redrawing continues, what a service refuses."""

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
MAX_STEPS = 1000


class RedrawParameters(Parameters):
    """Image to caption to image (``generation.redraw.*``).

    Attributes:
        until: Target such as ``ssim=0.6``, ``psnr=20`` or ``score=0.8``; null uses the whole budget.
        budget: Images drawn at most.
        round_size: Images in a round. The generators take turns from round to round (with
            ``model: champion`` the champion first, then the other); after that an image without a text gets
            another caption.
        temperature: Of the captions that are sampled then; 0 repeats the first caption.
        optimize_steps: Gradient steps towards the given image after that, from ``init``; their result stands
            beside the images of the text, never among them.
        optimize: What these steps change: the ``latent``, or only the ``noise``, whose images still come from
            the text.
        init: ``best`` starts at the best image of the text; ``picture`` at the encoder's latent, which is the
            direct path without any text.
    """

    until: str | None = Field(pattern=r"^\s*(ssim|psnr|score)\s*=\s*-?[0-9.]+\s*$")
    budget: int = Field(ge=1, le=10_000)
    round_size: int = Field(ge=1, le=1_000)
    temperature: float = Field(ge=0, le=5)
    optimize_steps: int = Field(ge=0, le=MAX_STEPS)
    optimize: Optimize
    init: Init


class ServingParameters(Parameters):
    """Limits of a service (``generation.serving.*``); a registered model keeps those of its run.

    Attributes:
        max_prompt_chars: Characters of one prompt.
        max_pictures: Images that one request may have drawn or captioned.
        max_picture_mb: Size of one image file, in MB (10^6 bytes); for pixels see ``ingestion.max_pixels``.
        max_request_mb: Size of a whole request.
    """

    max_prompt_chars: int = Field(ge=1)
    max_pictures: int = Field(ge=1, le=10_000)
    max_picture_mb: float = Field(gt=0)
    max_request_mb: float = Field(gt=0)


class GenerationParameters(Parameters):
    """Parameters of the pipeline ``generation`` and defaults of its commands (``generation.*``).

    Attributes:
        prompts: What ``kedro run --pipelines generation`` draws.
        n: Images of each prompt.
        seed: Of the noise; null takes ``run.seed``.
        model: ``champion`` is the generator that the compression chose; ``vae`` and ``gan`` are uncompressed.
        quality: Variant of the champion: ``fast``, ``balanced`` (the fastest that is as good as the
            uncompressed network) or ``best`` (uncompressed). The same seed gives the same composition.
        candidates: Candidates for each image; the scorer keeps the one that fits its prompt best.
        until: Score, such as ``score=0.9``, from which an image is good enough and no further candidate is
            drawn; null draws all of them.
        max_prompts: Prompts in one call.
        max_pictures: Images in one call, candidates not counted.
        redraw: Of ``kedro redraw``.
        serving: Limits of a service.
    """

    prompts: tuple[Prompt, ...]
    n: int = Field(ge=1)
    seed: int | None = Field(ge=0, le=MAX_SEED)
    model: ModelChoice
    quality: Quality
    candidates: int = Field(ge=1, le=MAX_CANDIDATES)
    until: str | None = Field(pattern=r"^\s*score\s*=\s*-?[0-9.]+\s*$")
    max_prompts: int = Field(ge=1)
    max_pictures: int = Field(ge=1)
    redraw: RedrawParameters
    serving: ServingParameters

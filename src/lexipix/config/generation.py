"""Parameters of the generation: what is drawn, and how long the loop of a redrawing goes on."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from lexipix.config.run import Parameters

ModelChoice = Literal["champion", "vae", "gan"]
Budget = Literal["fast", "balanced", "best"]
Fit = Literal["latent", "noise"]
Start = Literal["best", "picture"]
Prompt = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

MAX_SEED = 2**31 - 1
MAX_CANDIDATES = 1024
MAX_STEPS = 1000


class RedrawParameters(Parameters):
    """The loop from a picture over words to a picture (``generation.redraw.*``).

    Attributes:
        until: Target such as ``ssim=0.6``, ``psnr=20`` or ``score=0.8``; null uses the whole budget.
        budget: Pictures drawn at most.
        round_size: Pictures in a round. The generators take turns from round to round (with
            ``model: champion`` the champion first, then the other); after that a picture without a text is
            described anew.
        temperature: Of the words drawn by lot when a picture is described again; 0 repeats the description.
        refine: Gradient steps towards the given picture after that, from ``start``; what they make stands
            beside the pictures of the words, never among them.
        fit: What these steps change: the ``latent``, or only the ``noise``, whose pictures the words still
            draw.
        start: ``best``: where the best picture of the words was drawn; ``picture``: the encoder's latent,
            which is the direct path and has no words in it.
    """

    until: str | None = Field(None, pattern=r"^\s*(ssim|psnr|score)\s*=\s*-?[0-9.]+\s*$")
    budget: int = Field(8, ge=1, le=10_000)
    round_size: int = Field(4, ge=1, le=1_000)
    temperature: float = Field(0.7, ge=0, le=5)
    refine: int = Field(0, ge=0, le=MAX_STEPS)
    fit: Fit = "latent"
    start: Start = "best"


class ServingParameters(Parameters):
    """What a service refuses (``generation.serving.*``); a registered model keeps the limits it came with.

    Attributes:
        max_prompt_chars: Characters of one prompt.
        max_pictures: Pictures that one request may have drawn or described.
        max_picture_mb: Of one picture to be described, as the file that it is; MB are 10^6 bytes. How many
            pixels it may have is ``ingestion.max_pixels``.
        max_request_mb: Of a whole request.
    """

    max_prompt_chars: int = Field(1_000, ge=1)
    max_pictures: int = Field(64, ge=1, le=10_000)
    max_picture_mb: float = Field(8, gt=0)
    max_request_mb: float = Field(16, gt=0)


class GenerationParameters(Parameters):
    """Parameters of the pipeline ``generation`` and defaults of its commands (``generation.*``).

    Attributes:
        prompts: What ``kedro run --pipelines generation`` draws.
        n: Pictures of each prompt.
        seed: Of the noise; null takes ``run.seed``.
        model: ``champion`` is the family that the compression chose.
        budget: Which of its forms: ``fast``, ``balanced`` (the champion itself) or ``best`` (the whole
            network). All draw the same composition from the same seed.
        candidates: Pictures drawn for each that is asked for; the one that the scorer finds nearest to
            its words is kept.
        until: Score, such as ``score=0.9``, from which a picture is good enough and no further candidate is
            drawn; null draws all of them.
        max_prompts: Lines a file of prompts may have.
        max_pictures: Pictures made in one go, candidates not counted.
        redraw: The loop of ``kedro redraw``.
        serving: Limits of a service.
    """

    prompts: tuple[Prompt, ...] = ()
    n: int = Field(4, ge=1)
    seed: int | None = Field(None, ge=0, le=MAX_SEED)
    model: ModelChoice = "champion"
    budget: Budget = "balanced"
    candidates: int = Field(1, ge=1, le=MAX_CANDIDATES)
    until: str | None = Field(None, pattern=r"^\s*score\s*=\s*-?[0-9.]+\s*$")
    max_prompts: int = Field(100_000, ge=1)
    max_pictures: int = Field(1_000_000, ge=1)
    redraw: RedrawParameters = RedrawParameters()
    serving: ServingParameters = ServingParameters()

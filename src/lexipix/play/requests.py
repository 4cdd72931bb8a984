"""What a visitor asks for, with limits; the same from a tab's inputs and from a link's query."""

from dataclasses import asdict, dataclass
from typing import Any

from lexipix.config.generation import MAX_SEED
from lexipix.inference.prompt_checks import shown
from lexipix.inference.text_to_image_pipeline import TextToImageOutput
from lexipix.play.models import OpenModels, Pixels
from lexipix.utils.errors import LexipixError

MAX_PICTURES, MAX_BEST_OF, MAX_FRAMES = 16, 16, 121  # of one request


def whole_number(name: str, value: Any, low: int, high: int) -> int:
    """A number from outside as an int; a LexipixError if it is none, or out of range."""
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = low - 1
    if not low <= number <= high:
        raise LexipixError(f"{name} must be a whole number from {low:,} to {high:,}.")
    return number


def require_prompt(prompt: str, max_chars: int) -> None:
    """Check the length of a prompt, before it is read word by word."""
    if len(prompt) > max_chars:
        raise LexipixError(
            f"The prompt {shown(prompt)} has {len(prompt):,} characters, more than {max_chars:,}: shorten it."
        )


@dataclass(frozen=True)
class DrawRequest:
    """Pictures of a prompt."""

    models: str
    prompt: str
    count: Any
    seed: Any
    quality: str
    best_of: Any

    @classmethod
    def of(cls, models: Any, prompt: Any, count: Any, seed: Any, quality: Any, best_of: Any) -> "DrawRequest":
        """A request as it comes from a page."""
        return cls(str(models), str(prompt or ""), count, seed, str(quality), best_of)

    def query(self) -> dict[str, Any]:
        """The request as the parameters of a link."""
        return asdict(self)

    def draw(self, models: OpenModels) -> TextToImageOutput:
        """Draw the pictures; a LexipixError if a value is out of range or the prompt cannot be drawn."""
        require_prompt(self.prompt, models.generation.serving.max_prompt_chars)
        count = whole_number("The number of pictures", self.count, 1, MAX_PICTURES)
        seed = whole_number("The seed", self.seed, 0, MAX_SEED)
        best_of = whole_number("Best of", self.best_of, 1, MAX_BEST_OF)
        with models.lock:
            return models.pipe(self.prompt, count, seed, self.quality, best_of, score=best_of > 1)


@dataclass(frozen=True)
class MorphRequest:
    """Frames from one prompt to another."""

    models: str
    start: str
    end: str
    frames: Any
    seed: Any
    quality: str

    @classmethod
    def of(cls, models: Any, start: Any, end: Any, frames: Any, seed: Any, quality: Any) -> "MorphRequest":
        """A request as it comes from a page."""
        return cls(str(models), str(start or ""), str(end or ""), frames, seed, str(quality))

    def query(self) -> dict[str, Any]:
        """The request as the parameters of a link."""
        return asdict(self)

    def draw(self, models: OpenModels) -> Pixels:
        """Draw the frames; a LexipixError if a value is out of range or a prompt cannot be drawn."""
        for prompt in (self.start, self.end):
            require_prompt(prompt, models.generation.serving.max_prompt_chars)
        frames = whole_number("The number of frames", self.frames, 2, MAX_FRAMES)
        seed = whole_number("The seed", self.seed, 0, MAX_SEED)
        with models.lock:
            return models.pipe.interpolate(self.start, self.end, frames, seed, self.quality)

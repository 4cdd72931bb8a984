"""Parameters of the third generator: visual words, and the language model that writes them."""

import math
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from lexipix.config.run import Parameters
from lexipix.config.training import SharedTrainingParameters

MAX_CODEBOOK = 4096  # every word has a row in the language model's table and a place in its softmax
Level = Annotated[int, Field(ge=2, le=256)]


class VisualWordsTrainingParameters(SharedTrainingParameters):
    """How the visual words are trained (``generator.words.tokenizer.training.*``)."""

    key: ClassVar[str] = "generator.words.tokenizer.training"
    images: int = Field(6_000, ge=1)
    learning_rate: float = Field(1e-3, gt=0, le=1)
    reports: int = Field(4, ge=1, le=1000)


class WordsTrainingParameters(SharedTrainingParameters):
    """How the writer is trained (``generator.words.writer.training.*``)."""

    key: ClassVar[str] = "generator.words.writer.training"
    images: int = Field(6_000, ge=1)
    learning_rate: float = Field(2e-3, gt=0, le=1)
    reports: int = Field(4, ge=1, le=1000)


class VisualWordsParameters(Parameters):
    """Pictures as words and back (``generator.words.tokenizer.*``).

    Attributes:
        levels: For each word of a cell the levels of the numbers that it is made of, by finite scalar
            quantisation; the first word has three numbers and starts as the cell's color. A picture has as
            many bits as the logarithm of all their product, times 64 cells.
        width: Channels of the residual trunks.
        depth: Residual blocks in each trunk.
        cut_share: Share of the training pictures that must come back from the first words alone.
        training: Its length and pace.
    """

    levels: tuple[tuple[Level, ...], ...] = ((28, 9, 4), (13, 11, 7), (6, 6, 5, 5), (3, 3, 3, 3, 3, 3))
    width: int = Field(96, ge=8, le=1024)
    depth: int = Field(2, ge=0, le=32)
    cut_share: float = Field(0.15, ge=0, lt=1)
    training: VisualWordsTrainingParameters = VisualWordsTrainingParameters()

    @model_validator(mode="after")
    def _has_codebooks(self) -> Self:
        key = "generator.words.tokenizer.levels"
        if not self.levels or len(self.levels[0]) != 3:
            raise ValueError(f"{key} must begin with three levels, those of a cell's color")
        for group in self.levels:
            if not group or math.prod(group) > MAX_CODEBOOK:
                raise ValueError(
                    f"{key}: the levels {list(group)} make {math.prod(group) if group else 0} words, and a "
                    f"codebook has 2 to {MAX_CODEBOOK}"
                )
        return self


class WriterParameters(Parameters):
    """The language model that writes visual words (``generator.words.writer.*``).

    Attributes:
        width: Of the language model, a multiple of 32; where it is the captioner's, its weights start this
            one.
        depth: Layers of the language model; the captioner's are the first of them.
        near: Residual convolutions between neighbouring cells, before the language model and behind it.
        canonical_share: Share of the captions read in their first wording; the others in any.
        caption_dropout: Share of the pictures that are written without a caption, for the guidance.
        steps: For each word of a cell, in how many steps it is written in all cells.
        guidance: For each word of a cell, how far a caption's logits are driven away from those of no
            caption; 0 leaves them.
        temperatures: For each word of a cell; below 1 likely words are taken more often than they are likely.
        training: Its length and pace.
    """

    width: int = Field(128, ge=32, le=1024, multiple_of=32)
    depth: int = Field(4, ge=1, le=32)
    near: int = Field(1, ge=0, le=16)
    canonical_share: float = Field(0.5, ge=0, le=1)
    caption_dropout: float = Field(0.1, ge=0, lt=1)
    steps: tuple[Annotated[int, Field(ge=1, le=64)], ...] = (8, 2, 1, 1)
    guidance: tuple[Annotated[float, Field(ge=0, le=20)], ...] = (1.5, 0.0, 0.0, 0.0)
    temperatures: tuple[Annotated[float, Field(gt=0, le=10)], ...] = (0.8, 0.4, 0.3, 0.3)
    training: WordsTrainingParameters = WordsTrainingParameters()


class WordsParameters(Parameters):
    """The text path "words" (``generator.words.*``).

    Attributes:
        enabled: Train it; else whatever needs it says so.
        tokenizer: Pictures as words and back.
        writer: Captions to words.
    """

    enabled: bool = True
    tokenizer: VisualWordsParameters = VisualWordsParameters()
    writer: WriterParameters = WriterParameters()

    @model_validator(mode="after")
    def _says_how_each_word_is_written(self) -> Self:
        n_words = len(self.tokenizer.levels)
        for name in ("steps", "guidance", "temperatures"):
            values = getattr(self.writer, name)
            if len(values) != n_words:
                raise ValueError(
                    f"generator.words.writer.{name} = {list(values)} must have a value for each of the "
                    f"{n_words} words of a cell (generator.words.tokenizer.levels)"
                )
        return self

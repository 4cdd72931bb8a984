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
    """How the writer is trained (``generator.words.writer.training.*``).

    Attributes:
        learning_rate: Of guessing; that of drawing is the GAN's.
    """

    key: ClassVar[str] = "generator.words.writer.training"
    images: int = Field(16_000, ge=1)
    learning_rate: float = Field(2e-3, gt=0, le=1)
    ema_share: float = Field(0.05, gt=0, le=0.5)
    reports: int = Field(6, ge=1, le=1000)
    keep_best: bool = False


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
        passes: How many words of every cell are written at once, from the first pass to the last.
        sketch: Let every cell hear what the trained text prior would draw there. Worth it where captions say
            how a picture looks; where they leave much open, that is an average.
        canonical_share: Share of the captions read in their first wording; the others in any.
        adversarial: Share of the training, its last, in which the writer draws against a discriminator with
            the losses of ``generator.gan``; before, it guesses hidden words. 0 where captions say everything.
        training: Its length and pace.
    """

    width: int = Field(128, ge=32, le=1024, multiple_of=32)
    depth: int = Field(4, ge=1, le=32)
    near: int = Field(1, ge=0, le=16)
    passes: tuple[Annotated[int, Field(ge=1)], ...] = (1, 3)
    sketch: bool = True
    canonical_share: float = Field(0.5, ge=0, le=1)
    adversarial: float = Field(0.0, ge=0, le=1)
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
    def _writes_every_word(self) -> Self:
        n_words, passes = len(self.tokenizer.levels), self.writer.passes
        if sum(passes) != n_words:
            raise ValueError(
                f"generator.words.writer.passes = {list(passes)} writes {sum(passes)} words of a cell, and "
                f"it has {n_words} (generator.words.tokenizer.levels): the numbers must add up to {n_words}"
            )
        return self

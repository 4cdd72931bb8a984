"""Parameters of the image tokens: the tokenizer, and the transformer that generates tokens from captions."""

import math
from typing import Annotated, Self

from pydantic import Field, model_validator

from lexipix.config.run import Parameters
from lexipix.config.training import AccumulatedTrainingParameters

MAX_CODEBOOK = 4096  # every token has a row in the embedding table and a place in the softmax
Level = Annotated[int, Field(ge=2, le=256)]


class ImageTokenizerParameters(Parameters):
    """Images to tokens and back (``generator.tokens.tokenizer.*``)."""

    levels: tuple[tuple[Level, ...], ...]
    width: int = Field(ge=8, le=1024)
    depth: int = Field(ge=0, le=32)
    nested_dropout_prob: float = Field(ge=0, lt=1)
    training: AccumulatedTrainingParameters

    @model_validator(mode="after")
    def _has_codebooks(self) -> Self:
        key = "generator.tokens.tokenizer.levels"
        if not self.levels or len(self.levels[0]) != 3:
            raise ValueError(f"{key} must begin with three levels, those of a cell's color")
        for group in self.levels:
            if not group or math.prod(group) > MAX_CODEBOOK:
                raise ValueError(
                    f"{key}: the levels {list(group)} make {math.prod(group) if group else 0} tokens, and a "
                    f"codebook has 2 to {MAX_CODEBOOK}"
                )
        return self


class TokenTransformerParameters(Parameters):
    """The transformer that generates image tokens (``generator.tokens.transformer.*``)."""

    width: int = Field(ge=32, le=1024, multiple_of=32)
    depth: int = Field(ge=1, le=32)
    local_conv_depth: int = Field(ge=0, le=16)
    decoding_steps: tuple[Annotated[int, Field(ge=1)], ...]
    prior_hint: bool
    primary_caption_prob: float = Field(ge=0, le=1)
    adversarial_fraction: float = Field(ge=0, le=1)
    training: AccumulatedTrainingParameters


class TokensParameters(Parameters):
    """The text path "tokens" (``generator.tokens.*``)."""

    enabled: bool
    tokenizer: ImageTokenizerParameters
    transformer: TokenTransformerParameters

    @model_validator(mode="after")
    def _generates_every_token(self) -> Self:
        n_tokens, steps = len(self.tokenizer.levels), self.transformer.decoding_steps
        if sum(steps) != n_tokens:
            raise ValueError(
                f"generator.tokens.transformer.decoding_steps = {list(steps)} generates {sum(steps)} tokens "
                f"of a cell, and a cell has {n_tokens} (generator.tokens.tokenizer.levels): the numbers must "
                f"add up to {n_tokens}"
            )
        return self

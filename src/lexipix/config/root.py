"""The whole tree of parameters, validated before the first node runs."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError, model_validator

from lexipix.config.captioner import CaptionerParameters
from lexipix.config.compression import CompressionParameters
from lexipix.config.engine import EngineParameters
from lexipix.config.errors import Where, explain
from lexipix.config.evaluation import EvaluationParameters
from lexipix.config.features import FeaturesParameters
from lexipix.config.generation import GenerationParameters
from lexipix.config.generator import GeneratorParameters
from lexipix.config.ingestion import IngestionParameters
from lexipix.config.run import Parameters, RunParameters
from lexipix.utils.errors import LexipixError


class LexipixParameters(Parameters):
    """Every parameter of the project: two sections for the whole run, and one for each pipeline."""

    run: RunParameters
    engine: EngineParameters
    ingestion: IngestionParameters
    features: FeaturesParameters
    captioner: CaptionerParameters
    generator: GeneratorParameters
    compression: CompressionParameters
    evaluation: EvaluationParameters
    generation: GenerationParameters

    @model_validator(mode="after")
    def _has_one_tokenizer(self) -> "LexipixParameters":
        is_bag = self.features.text_encoder.kind == "bag_of_features"
        if not self.generator.prior.neighbors or self.generator.tokens.enabled:
            self._need_one_tokenizer(is_bag)
        elif is_bag and self.captioner.tokenizer is None:
            raise ValueError(
                "features.text_encoder.kind = bag_of_features reads words without their order: give the "
                "language model captioner.tokenizer, such as {vocabulary: 4000, max_tokens: 40}"
            )
        elif is_bag and self.features.tokenizer is not None:
            raise ValueError(
                "features.text_encoder.kind = bag_of_features has a tokenizer of its own, but "
                f"features.tokenizer = {self.features.tokenizer}: set it to null"
            )
        return self

    def _need_one_tokenizer(self, is_bag: bool) -> None:
        """The other generators encode captions with the text encoder and the language model."""
        model = self.captioner.language_model
        wanted = model.path if model.source == "pretrained" else None
        if is_bag or self.captioner.tokenizer is not None:
            raise ValueError(
                "generators from latents (generator.prior.neighbors = 0) and from tokens "
                "(generator.tokens.enabled = true) encode captions with the text encoder and the language "
                "model, which need the same tokenizer: set features.text_encoder.kind to transformer and "
                "captioner.tokenizer to null, or generator.prior.neighbors to 4 and generator.tokens.enabled "
                "to false"
            )
        if self.features.tokenizer != wanted:
            raise ValueError(
                "the generators encode captions with the text encoder and the language model, which need the "
                f"same tokenizer: set features.tokenizer to {'null' if wanted is None else wanted} beside "
                f"captioner.language_model.source = {model.source}"
            )

    @model_validator(mode="after")
    def _has_a_size_for_upsampling(self) -> "LexipixParameters":
        doublings, start = self.ingestion.size // 8, self.generator.gan.start
        if start != "regression" and (doublings < 2 or doublings & (doublings - 1)):
            raise ValueError(
                f"generator.gan.start = {start} generates images of 16, 32, 64, 128 … pixels, but "
                f"ingestion.image_size = {self.ingestion.image_size}: change one of them"
            )
        return self


def default_place(key: str) -> str:
    """The file of the base environment that sets a parameter."""
    section = key.partition(".")[0]
    sections = set(LexipixParameters.model_fields) - {"run"}
    return f"conf/base/parameters{f'_{section}' if section in sections else ''}.yml"


def validate(raw: Mapping[str, Any], where: Where = default_place) -> LexipixParameters:
    """The parameters of a tree of plain values; ``where`` gives the place where the user sets a full key.

    Raises:
        LexipixError: Some are unknown, missing or not allowed; one line for each.
    """
    try:
        return LexipixParameters.model_validate(raw)
    except ValidationError as error:
        raise LexipixError("\n".join(explain(error, LexipixParameters, where))) from error

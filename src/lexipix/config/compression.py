"""Parameters of the compression."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lexipix.config.run import Parameters, PathText
from lexipix.config.training import TrainingParameters

NETWORKS = ("pruned", "small")
RUNTIMES = (
    "torch_fp32", "torch_channels_last", "torch_bf16", "torch_compile", "onnx_fp32", "onnx_int8",
    "openvino_fp32",
)  # fmt: skip


def _is_variant(name: str) -> str:
    if name not in RUNTIMES and name not in {
        f"{network}_{runtime}" for network in NETWORKS for runtime in RUNTIMES
    }:
        in_front = " or ".join(f"{network}_" for network in NETWORKS)
        raise ValueError(f"it must be one of {', '.join(RUNTIMES)}, or one of them after {in_front}")
    return name


# A runtime for the uncompressed network, or NETWORK_RUNTIME: small_onnx_int8 is the small student in int8
Variant = Annotated[str, AfterValidator(_is_variant)]
CaptionerVariant = Literal["torch_fp32", "torch_channels_last", "torch_bf16", "onnx_fp32", "onnx_int8"]


class TextStudentParameters(Parameters):
    """A small text encoder, trained to predict the chosen generator's encoding of each word."""

    width: int = Field(ge=32, le=1024, multiple_of=32)
    depth: int = Field(ge=1, le=32)
    n_captions: int = Field(ge=1)
    training: TrainingParameters


class PrunedParameters(Parameters):
    """The chosen generator without the least important channels inside its convolution blocks."""

    share: float = Field(gt=0, lt=1)
    decoder_share: float = Field(gt=0, lt=1)
    n_images: int = Field(ge=1)
    training: TrainingParameters


class SmallParameters(PrunedParameters):
    """The same with fewer channels, and a small text encoder in place of the language model."""

    text_encoder: TextStudentParameters


class VerificationParameters(Parameters):
    """How an exported graph is compared with its network (``compression.verification.*``)."""

    n_captions: int = Field(ge=2, le=1024)
    max_difference: float = Field(gt=0, le=0.1)


class MeasurementParameters(Parameters):
    """How variants are measured (``compression.measurement.*``)."""

    batch_size: int = Field(ge=1, le=4096)
    latency_repeats: int = Field(ge=1, le=10_000)
    throughput_repeats: int = Field(ge=1, le=10_000)
    max_seconds: float = Field(gt=0)
    n_images: int = Field(ge=2)


class ChampionParameters(Parameters):
    """Which model ``kedro generate`` uses by itself (``compression.champion.*``)."""

    family: Literal["auto", "vae", "gan"]
    max_quality_loss: float = Field(ge=0, le=1)
    fast_max_quality_loss: float = Field(ge=0, le=1)
    variant: Variant | None
    fast_variant: Variant | None
    captioner_variant: CaptionerVariant | None


class CompressionParameters(Parameters):
    """Parameters of the pipeline ``compression`` (``compression.*``)."""

    variants: tuple[Variant, ...] = Field(min_length=1)
    captioner_variants: tuple[CaptionerVariant, ...] = Field(min_length=1)
    small: SmallParameters
    pruned: PrunedParameters
    verification: VerificationParameters
    measurement: MeasurementParameters
    champion: ChampionParameters
    sentence_encoder: PathText | None

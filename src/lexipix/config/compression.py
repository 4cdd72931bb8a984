"""Parameters of the compression."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lexipix.config.run import Parameters
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


class ReaderParameters(Parameters):
    """A small text encoder, trained to predict the chosen generator's encoding of each word.

    Attributes:
        width: Of its layers, a multiple of 32.
        depth: Number of layers.
        n_captions: Captions and paraphrases to train on.
        training: Schedule; an image is a caption here.
    """

    width: int = Field(ge=32, le=1024, multiple_of=32)
    depth: int = Field(ge=1, le=32)
    n_captions: int = Field(ge=1)
    training: TrainingParameters


class PrunedParameters(Parameters):
    """The chosen generator without the least important channels inside its convolution blocks.

    Attributes:
        share: Share of these channels that are pruned from the text prior's blocks.
        decoder_share: The same for the VAE's decoder.
        n_images: Images that the uncompressed generator draws to train on.
        training: Schedule.
    """

    share: float = Field(gt=0, lt=1)
    decoder_share: float = Field(gt=0, lt=1)
    n_images: int = Field(ge=1)
    training: TrainingParameters


class SmallParameters(PrunedParameters):
    """The same with fewer channels, and a small text encoder in place of the language model.

    Attributes:
        reads: ``own``: with its own text encoder; ``teacher``: with the chosen generator's language model,
            text encoder and random features.
        reader: The text encoder.
    """

    share: float = Field(gt=0, lt=1)
    decoder_share: float = Field(gt=0, lt=1)
    n_images: int = Field(ge=1)
    reads: Literal["own", "teacher"]
    reader: ReaderParameters
    training: TrainingParameters


class VerificationParameters(Parameters):
    """How an exported graph is compared with its network (``compression.verification.*``).

    Attributes:
        n_captions: Real captions that both get as input.
        max_difference: Largest difference allowed between two outputs; images are in [-1, 1], so that 0.001
            is an eighth of an 8-bit level.
    """

    n_captions: int = Field(ge=2, le=1024)
    max_difference: float = Field(gt=0, le=0.1)


class MeasurementParameters(Parameters):
    """How variants are measured (``compression.measurement.*``).

    Attributes:
        batch_size: Images per call for the rate.
        latency_repeats: Measured calls with one image.
        throughput_repeats: Measured calls with a batch.
        max_seconds: Longest measurement of a variant.
        n_images: Validation captions that are drawn from for the quality of each variant.
    """

    batch_size: int = Field(ge=1, le=4096)
    latency_repeats: int = Field(ge=1, le=10_000)
    throughput_repeats: int = Field(ge=1, le=10_000)
    max_seconds: float = Field(gt=0)
    n_images: int = Field(ge=2)


class ChampionParameters(Parameters):
    """Which model ``kedro generate`` uses by itself (``compression.champion.*``).

    Attributes:
        family: ``vae`` (text prior and VAE decoder), ``gan``, or ``auto``: the one whose images of validation
            captions agree better with them; of two equals the GAN, whose images are sharper.
        max_quality_loss: Share of the baseline's attribute accuracy and R-precision that may be lost.
        fast_max_quality_loss: The same for ``kedro generate --quality fast``.
        variant: The generator's variant, whatever was measured; ``kedro reproduce`` repeats a choice by it.
        fast_variant: The same for ``kedro generate --quality fast``.
        captioner_variant: The captioner's variant, whatever was measured.
    """

    family: Literal["auto", "vae", "gan"]
    max_quality_loss: float = Field(ge=0, le=1)
    fast_max_quality_loss: float = Field(ge=0, le=1)
    variant: Variant | None
    fast_variant: Variant | None
    captioner_variant: CaptionerVariant | None


class CompressionParameters(Parameters):
    """Parameters of the pipeline ``compression`` (``compression.*``).

    Attributes:
        variants: Measured variants: a runtime, or a smaller network with one (``small_onnx_int8``). The
            smaller networks are distilled from the chosen family if a variant names them; variants of ONNX
            Runtime can be the champion.
        captioner_variants: Measured variants of the captioner.
    """

    variants: tuple[Variant, ...] = Field(min_length=1)
    captioner_variants: tuple[CaptionerVariant, ...] = Field(min_length=1)
    small: SmallParameters
    pruned: PrunedParameters
    verification: VerificationParameters
    measurement: MeasurementParameters
    champion: ChampionParameters

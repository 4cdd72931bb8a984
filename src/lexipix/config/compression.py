"""Parameters of the compression: what is made smaller and how, what is measured, what may be the champion."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from lexipix.config.run import Parameters
from lexipix.config.training import TrainingParameters

NETWORKS = ("pruned", "small")
ENGINES = (
    "torch_fp32", "torch_channels_last", "torch_bf16", "torch_compile", "onnx_fp32", "onnx_int8",
    "openvino_fp32",
)  # fmt: skip


def _is_variant(name: str) -> str:
    if name not in ENGINES and name not in {
        f"{network}_{engine}" for network in NETWORKS for engine in ENGINES
    }:
        in_front = " or ".join(f"{network}_" for network in NETWORKS)
        raise ValueError(f"it must be one of {', '.join(ENGINES)}, or one of them with {in_front} in front")
    return name


# An engine for the whole network, or NETWORK_ENGINE: small_onnx_int8 is the small student in int8.
Variant = Annotated[str, AfterValidator(_is_variant)]
CaptionerVariant = Literal["torch_fp32", "torch_channels_last", "torch_bf16", "onnx_fp32", "onnx_int8"]


class ReaderParameters(Parameters):
    """A small text encoder that learns what the chosen generator makes of each word.

    Attributes:
        width: Of its layers, a multiple of 32.
        depth: Its layers.
        n_captions: Wordings that the generator reads to it.
        training: Its length and pace; an image is a caption here.
    """

    width: int = Field(64, ge=32, le=1024, multiple_of=32)
    depth: int = Field(2, ge=1, le=32)
    n_captions: int = Field(20_000, ge=1)
    training: TrainingParameters


class PrunedParameters(Parameters):
    """The chosen generator without the least of the channels inside its convolution blocks.

    Attributes:
        share: Of these channels that go from the text prior's blocks.
        decoder_share: The same for the VAE's decoder.
        n_pictures: Pictures that the whole generator draws for it to learn from.
        training: Length and pace of the recovery.
    """

    share: float = Field(0.5, gt=0, lt=1)
    decoder_share: float = Field(0.5, gt=0, lt=1)
    n_pictures: int = Field(4_000, ge=1)
    training: TrainingParameters


class SmallParameters(PrunedParameters):
    """The same with more channels gone, and a small reader in place of the language model.

    Attributes:
        reads: ``own``: with a reader of its own; ``teacher``: with the chosen generator's language model,
            text encoder and memory, where captions need them.
        reader: The reader.
    """

    share: float = Field(0.75, gt=0, lt=1)
    decoder_share: float = Field(0.75, gt=0, lt=1)
    n_pictures: int = Field(10_000, ge=1)
    reads: Literal["own", "teacher"] = "own"
    reader: ReaderParameters
    training: TrainingParameters


class VerificationParameters(Parameters):
    """How an exported graph is held against the network it came from (``compression.verification.*``).

    Attributes:
        n_captions: Real captions (and pictures, where a graph reads pictures) that both are given.
        max_difference: Largest difference allowed between two outputs; pictures lie in [-1, 1], so that 0.001
            is an eighth of an 8-bit level.
    """

    n_captions: int = Field(32, ge=2, le=1024)
    max_difference: float = Field(1e-3, gt=0, le=0.1)


class MeasurementParameters(Parameters):
    """How forms are measured (``compression.measurement.*``).

    Attributes:
        batch_size: Images per call for the rate.
        latency_repeats: Calls with one image that count.
        throughput_repeats: Calls with a batch that count.
        max_seconds: No measurement of one form repeats longer than this.
        n_images: Validation captions drawn for the quality of each form.
    """

    batch_size: int = Field(64, ge=1, le=4096)
    latency_repeats: int = Field(100, ge=1, le=10_000)
    throughput_repeats: int = Field(30, ge=1, le=10_000)
    max_seconds: float = Field(1.0, gt=0)
    n_images: int = Field(400, ge=2)


class ChampionParameters(Parameters):
    """Which model ``kedro generate`` uses by itself (``compression.champion.*``).

    Attributes:
        family: ``vae`` (text prior and VAE decoder), ``gan``, or ``auto``: the one whose pictures of
            validation captions agree better with them, and of two equals the GAN, which is sharper.
        max_quality_loss: Share of the whole network's attribute accuracy and R-precision that the champion
            may lose.
        fast_max_quality_loss: The same for ``kedro generate --budget fast``.
        variant: The generator's form, whatever was measured; ``kedro reproduce`` repeats a choice by it.
        fast_variant: The same for ``kedro generate --budget fast``.
        captioner_variant: The captioner's form, whatever was measured.
    """

    family: Literal["auto", "vae", "gan"] = "auto"
    max_quality_loss: float = Field(0.01, ge=0, le=1)
    fast_max_quality_loss: float = Field(0.05, ge=0, le=1)
    variant: Variant | None = None
    fast_variant: Variant | None = None
    captioner_variant: CaptionerVariant | None = None


class CompressionParameters(Parameters):
    """Parameters of the pipeline ``compression`` (``compression.*``).

    Attributes:
        variants: Forms that are measured: an engine, or a smaller network with one (``small_onnx_int8``).
            The smaller networks are made of the chosen family, and taught where a form of them is named;
            forms that ONNX Runtime runs can be shipped.
        captioner_variants: Forms of the captioner that are measured.
    """

    variants: tuple[Variant, ...] = Field(
        (
            "torch_fp32",
            "torch_channels_last",
            "torch_bf16",
            "onnx_fp32",
            "onnx_int8",
            "small_onnx_fp32",
            "small_onnx_int8",
        ),
        min_length=1,
    )
    captioner_variants: tuple[CaptionerVariant, ...] = Field(
        ("torch_fp32", "torch_channels_last", "torch_bf16", "onnx_fp32", "onnx_int8"), min_length=1
    )
    small: SmallParameters
    pruned: PrunedParameters
    verification: VerificationParameters = VerificationParameters()
    measurement: MeasurementParameters = MeasurementParameters()
    champion: ChampionParameters = ChampionParameters()

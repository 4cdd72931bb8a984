"""Parameters of the compression: what is measured, and what may become the champion."""

from typing import Literal

from pydantic import Field

from lexipix.config.run import Parameters

Variant = Literal["torch_fp32", "torch_channels_last", "torch_bf16", "onnx_fp32"]


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
    """How speed is measured (``compression.measurement.*``).

    Attributes:
        batch_size: Images per call for the rate.
        latency_repeats: Calls with one image that count.
        throughput_repeats: Calls with a batch that count.
        max_seconds: No measurement of one form repeats longer than this.
    """

    batch_size: int = Field(64, ge=1, le=4096)
    latency_repeats: int = Field(30, ge=1, le=10_000)
    throughput_repeats: int = Field(7, ge=1, le=10_000)
    max_seconds: float = Field(3.0, gt=0)


class ChampionParameters(Parameters):
    """Which model ``kedro generate`` uses by itself (``compression.champion.*``).

    Attributes:
        family: ``vae`` (text prior and VAE decoder), ``gan``, or ``auto``: the one whose pictures of
            validation captions agree better with them, and of two equals the GAN, which is sharper.
        min_fidelity_psnr: A variant must come this near, in decibels, to the same model in fp32.
    """

    family: Literal["auto", "vae", "gan"] = "auto"
    min_fidelity_psnr: float = Field(40.0, ge=0, le=100)


class CompressionParameters(Parameters):
    """Parameters of the pipeline ``compression`` (``compression.*``).

    Attributes:
        variants: Forms of each generator that are measured; the ONNX form is the one that is shipped.
    """

    variants: tuple[Variant, ...] = Field(
        ("torch_fp32", "torch_channels_last", "torch_bf16", "onnx_fp32"), min_length=1
    )
    verification: VerificationParameters = VerificationParameters()
    measurement: MeasurementParameters = MeasurementParameters()
    champion: ChampionParameters = ChampionParameters()

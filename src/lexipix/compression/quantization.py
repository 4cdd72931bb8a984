"""Static int8 quantization of the graphs whose time goes into convolutions, in the QDQ format of ONNX."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime import quantization

from lexipix.compression.export import Unavailable
from lexipix.data.tokenization import encode
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.inference.onnx_session import normalize_pixels
from lexipix.utils.logging import suppress_logs
from lexipix.utils.types import OnnxModel

CALIBRATION_BATCH = 16
# Parts of the names of the convolutions with nearly all of the operations: the generator's residual blocks,
# and the last one of a decoder that adds it to a linear map; the image encoder's without its first
GENERATOR_CONVOLUTIONS = (".blocks.", ".trunk.")
LINEAR_MAP, LAST_CONVOLUTION = ".decoder.linear.", ".decoder.proj_out."
ENCODER_CONVOLUTIONS = (".body.", ".stage4.", ".stage8.")
Inputs = Mapping[str, NDArray[np.generic]]


class _Batches(quantization.CalibrationDataReader):  # type: ignore[misc]
    def __init__(self, batches: Sequence[Inputs]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> Inputs | None:
        return next(self._batches, None)


def quantize_generator(baseline: OnnxModel, captions: Sequence[str]) -> OnnxModel:
    """Returns an exported generator with its convolutions in int8, calibrated on captions and noise."""
    generator = OnnxGenerator(baseline)
    rng = np.random.default_rng(0)
    batches = []
    for first in range(0, len(captions), CALIBRATION_BATCH):
        ids = encode(generator.tokenizer, captions[first : first + CALIBRATION_BATCH], generator.max_tokens)
        noise = rng.standard_normal((len(ids), generator.noise_dim), np.float32)
        batches.append(generator.draw_inputs(generator.encode(ids), noise))
    graph = onnx.load_from_string(baseline.graphs["draw"])
    nodes = _convolutions(graph, *GENERATOR_CONVOLUTIONS)
    if _convolutions(graph, LINEAR_MAP):
        nodes += _convolutions(graph, LAST_CONVOLUTION)
    return _quantize(baseline, "draw", batches, nodes)


def quantize_captioner(baseline: OnnxModel, images: NDArray[np.uint8]) -> OnnxModel:
    """Returns an exported captioner with the convolutions of its image encoder in int8.

    Images, uint8 (N, S, S, 3), calibrate it. Raises Unavailable if the image encoder is a pretrained one.
    """
    starts = range(0, len(images), CALIBRATION_BATCH)
    batches = [{"images": normalize_pixels(images[start : start + CALIBRATION_BATCH])} for start in starts]
    nodes = _convolutions(onnx.load_from_string(baseline.graphs["see"]), *ENCODER_CONVOLUTIONS)
    return _quantize(baseline, "see", batches, nodes)


def _convolutions(graph: onnx.ModelProto, *parts: str) -> list[str]:
    """The names of the convolutions whose weights' names hold one of ``parts``."""
    return [
        node.name
        for node in graph.graph.node
        if node.op_type == "Conv" and any(part in weight for weight in node.input for part in parts)
    ]


def _quantize(baseline: OnnxModel, name: str, batches: Sequence[Inputs], nodes: list[str]) -> OnnxModel:
    """A model with the convolutions ``nodes`` of a graph in int8.

    The last convolution of the VAE's decoder adds to a linear map that stays in float, so that its errors are
    invisible; that of the GAN's own decoder makes the whole image and stays in float. The first ones, the
    modulation and the text encoding stay in float as well, because they cost little.
    Activations are unsigned and weights signed 7-bit numbers, per channel: products of 8-bit numbers overflow
    on processors without VNNI. ``batches`` are real inputs, for the ranges of the activations.
    """
    if not nodes:
        raise Unavailable("it has none of the convolutions that are computed in int8")
    # The empty name is the root logger, with which ONNX Runtime recommends a preparation that is not needed
    with suppress_logs(""), tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(baseline.graphs[name])
        quantization.quantize_static(
            source,
            target,
            _Batches(batches),
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_quantize=nodes,
            op_types_to_quantize=["Conv"],
            calibrate_method=quantization.CalibrationMethod.MinMax,
        )
        graphs = {**baseline.graphs, name: target.read_bytes()}
    return replace(baseline, graphs=graphs, card={**baseline.card, "quantized": "int8 QDQ"})

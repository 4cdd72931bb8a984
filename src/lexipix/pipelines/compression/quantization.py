"""Static int8 quantization of a generator's drawing graph, in the QDQ format of ONNX."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from tokenizers import Tokenizer

from lexipix.pipelines.compression.export import PLAN, start
from lexipix.quiet import quiet
from lexipix.records import OnnxModel
from lexipix.training.tokenization import encode

CALIBRATION_BATCH = 16
Inputs = Mapping[str, NDArray[np.generic]]


class _Given(CalibrationDataReader):  # type: ignore[misc]
    """Hands out the inputs it was given, one after another."""

    def __init__(self, batches: Sequence[Inputs]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> Inputs | None:
        return next(self._batches, None)


def quantized(whole: OnnxModel, captions: Sequence[str]) -> OnnxModel:
    """An exported generator whose drawing graph computes its convolutions in int8.

    Args:
        whole: The generator in fp32.
        captions: Real ones, to calibrate with, each with noise.
    """
    assert whole.tokenizer is not None
    tokenizer = Tokenizer.from_str(whole.tokenizer)
    read = start(whole.graphs["read"])
    rng = np.random.default_rng(0)
    batches = []
    for first in range(0, len(captions), CALIBRATION_BATCH):
        ids = encode(tokenizer, captions[first : first + CALIBRATION_BATCH], int(whole.config["max_tokens"]))
        parts = dict(zip(PLAN, read.run(None, {"ids": ids}), strict=False))
        noise = rng.standard_normal((len(ids), int(whole.config["noise_width"])), np.float32)
        batches.append({"noise": noise, **parts})
    graphs = {**whole.graphs, "draw": quantize(whole.graphs["draw"], batches)}
    return OnnxModel(whole.config, graphs, whole.tokenizer, {**whole.card, "quantized": "int8 QDQ"})


def quantize(graph: bytes, batches: Sequence[Inputs]) -> bytes:
    """Quantize the convolutions of the residual blocks and the last of the VAE's decoder.

    Nearly all of the arithmetic is in these. The last one adds to a linear map that stays in float, so that
    its errors are not seen; the first ones, the modulation and the reading of the words stay in float too,
    because they cost little. Activations are unsigned and weights signed 7-bit numbers, per channel: with
    eight bits the products of processors without VNNI overflow.

    Args:
        graph: ``draw`` of an exported generator.
        batches: Real inputs of it, for the ranges of the activations.

    Returns:
        The quantized graph.
    """
    model = onnx.load_from_string(graph)
    nodes = [node.name for node in model.graph.node if node.op_type == "Conv" and _is_quantized(node)]
    # An empty name is the root logger, by which it recommends a preparation that has been done
    with quiet(""), tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(graph)
        quantize_static(
            source,
            target,
            _Given(batches),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            nodes_to_quantize=nodes,
            op_types_to_quantize=["Conv"],
            calibrate_method=CalibrationMethod.MinMax,
        )
        return target.read_bytes()


def _is_quantized(node: onnx.NodeProto) -> bool:
    """Whether a convolution is to be quantized, by the name of its weights."""
    places = (".blocks.", ".trunk.", ".decoder.outward.")
    return any(place in name for name in node.input for place in places)

"""Static int8 quantization of the graphs whose time goes into convolutions, in the QDQ format of ONNX."""

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

from lexipix.compression.export import Unavailable, start
from lexipix.compression.onnx_graphs import PLAN
from lexipix.data.tokenization import encode
from lexipix.inference.onnx_session import normalize_pixels
from lexipix.utils.logging import quiet
from lexipix.utils.types import OnnxModel

CALIBRATION_BATCH = 16
# Weights of the convolutions in which nearly all of the arithmetic is: of the residual blocks and the last of
# the VAE's decoder; of the image encoder, but for its first
DRAWN = (".blocks.", ".trunk.", ".decoder.outward.")
SEEN = (".body.", ".stage4.", ".stage8.")
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
        noise = rng.standard_normal((len(ids), int(whole.config["noise_dim"])), np.float32)
        batches.append({"noise": noise, **parts})
    return _with_graph(whole, "draw", quantize(whole.graphs["draw"], batches, DRAWN))


def quantized_captioner(whole: OnnxModel, images: NDArray[np.uint8]) -> OnnxModel:
    """An exported captioner whose image encoder computes its convolutions in int8.

    Args:
        whole: The captioner in fp32.
        images: Real pictures, uint8 (N, S, S, 3), to calibrate with.

    Raises:
        Unavailable: The image encoder is not one of ours.
    """
    starts = range(0, len(images), CALIBRATION_BATCH)
    batches = [{"images": normalize_pixels(images[start : start + CALIBRATION_BATCH])} for start in starts]
    return _with_graph(whole, "see", quantize(whole.graphs["see"], batches, SEEN))


def _with_graph(whole: OnnxModel, name: str, graph: bytes) -> OnnxModel:
    graphs = {**whole.graphs, name: graph}
    return OnnxModel(whole.config, graphs, whole.tokenizer, {**whole.card, "quantized": "int8 QDQ"})


def quantize(graph: bytes, batches: Sequence[Inputs], places: Sequence[str]) -> bytes:
    """Quantize convolutions.

    Nearly all of the arithmetic is in those of :data:`DRAWN` and :data:`SEEN`. The decoder's last one adds to
    a linear map that stays in float, so that its errors are not seen; the first ones, the modulation and all
    that has to do with words stay in float too, because they cost little. Activations are unsigned and
    weights signed 7-bit numbers, per channel: with eight bits the products of processors without VNNI
    overflow.

    Args:
        graph: To be quantized.
        batches: Real inputs of it, for the ranges of the activations.
        places: Parts of the names of their weights.

    Returns:
        The quantized graph.

    Raises:
        Unavailable: It has no such convolutions.
    """
    model = onnx.load_from_string(graph)
    nodes = [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and any(place in name for name in node.input for place in places)
    ]
    if not nodes:
        raise Unavailable("it has none of the convolutions that are computed in int8")
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

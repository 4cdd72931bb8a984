import onnx
import pytest
from tests.support.parameters import section

from lexipix.compression.export import Exporter
from lexipix.compression.quantization import quantize_generator


@pytest.mark.parametrize(
    ("network", "last_is_quantized"), [("text_to_image", True), ("text_to_image_upsampling", False)]
)
def test_the_last_convolution_is_quantized_only_where_a_linear_map_stays_beside_it(
    network, last_is_quantized, make, image_splits
):
    exporter = Exporter(image_splits, section("compression.verification", {"n_captions": 4}))
    quantized = quantize_generator(exporter.generator(make(network, 1)), exporter.captions)
    nodes = onnx.load_from_string(quantized.graphs["draw"]).graph.node
    weights = [node.input[1] for node in nodes if node.op_type == "Conv"]
    (last,) = (weight for weight in weights if ".decoder.proj_out." in weight)
    assert last.endswith("DequantizeLinear_Output") is last_is_quantized
    inside = [weight for weight in weights if ".decoder.trunk." in weight or ".decoder.blocks." in weight]
    assert inside and all(weight.endswith("DequantizeLinear_Output") for weight in inside)

import numpy as np
import pytest
from tests.support.parameters import section

from lexipix.compression.captioner_variants import choose_captioner
from lexipix.compression.export import Unavailable
from lexipix.compression.quantization import quantize_captioner
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OnnxModel

GATE = section("compression.champion", {"max_quality_loss": 0.01})


def row(rate, **figures):
    return {"images_per_s": rate, **figures}


def choice(**table):
    return choose_captioner(GATE, table)["variant"]


def test_the_fastest_variant_that_captions_as_well_is_chosen_and_torch_never():
    baseline = row(100.0, bleu4=0.9, agreement=1.0)
    assert choice(onnx_fp32=baseline, torch_fp32=row(900.0, bleu4=0.9, agreement=1.0)) == "onnx_fp32"
    assert choice(onnx_fp32=baseline, onnx_int8=row(150.0, bleu4=0.895, agreement=0.5)) == "onnx_int8"
    assert choice(onnx_fp32=baseline, onnx_int8=row(150.0, bleu4=0.8, agreement=0.999)) == "onnx_fp32"
    assert choice(onnx_fp32=baseline, onnx_int8=row(90.0, bleu4=0.95, agreement=1.0)) == "onnx_fp32"


def test_without_given_captions_the_agreement_counts():
    baseline = row(100.0, agreement=1.0)
    assert choice(onnx_fp32=baseline, onnx_int8=row(150.0, agreement=0.995)) == "onnx_int8"
    assert choice(onnx_fp32=baseline, onnx_int8=row(150.0, agreement=0.98)) == "onnx_fp32"


def test_the_baseline_is_required():
    with pytest.raises(LexipixError, match=r"compression\.captioner_variants does not hold onnx_fp32"):
        choice(onnx_int8=row(1.0, agreement=1.0))


def test_a_graph_without_convolutions_of_ours_has_no_int8_variant():
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    model = OnnxModel({}, {"see": helper.make_model(graph).SerializeToString()})
    with pytest.raises(Unavailable, match="none of the convolutions"):
        quantize_captioner(model, np.zeros((1, 8, 8, 3), np.uint8))

import pytest
from tests.support.parameters import section

from lexipix.compression.captioner_variants import choose_captioner
from lexipix.compression.export import Unavailable
from lexipix.compression.quantization import quantize
from lexipix.utils.errors import LexipixError

GATE = section("compression.champion", {"max_quality_loss": 0.01})


def row(rate, **figures):
    return {"images_per_s": rate, **figures}


def choice(**table):
    return choose_captioner(GATE, table)["variant"]


def test_fastest_form_that_writes_as_well_is_chosen_and_torch_never():
    whole = row(100.0, bleu4=0.9, agreement=1.0)
    assert choice(onnx_fp32=whole, torch_fp32=row(900.0, bleu4=0.9, agreement=1.0)) == "onnx_fp32"
    assert choice(onnx_fp32=whole, onnx_int8=row(150.0, bleu4=0.895, agreement=0.5)) == "onnx_int8"
    assert choice(onnx_fp32=whole, onnx_int8=row(150.0, bleu4=0.8, agreement=0.999)) == "onnx_fp32"
    assert choice(onnx_fp32=whole, onnx_int8=row(90.0, bleu4=0.95, agreement=1.0)) == "onnx_fp32"


def test_without_captions_to_hold_it_against_the_same_words_count():
    whole = row(100.0, agreement=1.0)
    assert choice(onnx_fp32=whole, onnx_int8=row(150.0, agreement=0.995)) == "onnx_int8"
    assert choice(onnx_fp32=whole, onnx_int8=row(150.0, agreement=0.98)) == "onnx_fp32"


def test_whole_captioner_is_asked_for():
    with pytest.raises(LexipixError, match=r"compression\.captioner_variants does not hold onnx_fp32"):
        choice(onnx_int8=row(1.0, agreement=1.0))


def test_a_graph_without_convolutions_of_ours_has_no_form_in_int8():
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
    with pytest.raises(Unavailable, match="none of the convolutions"):
        quantize(helper.make_model(graph).SerializeToString(), [], (".body.",))

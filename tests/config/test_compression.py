import pytest
from tests.support.parameters import section

from lexipix.utils.errors import LexipixError


@pytest.mark.parametrize("name", ["onnx_int8", "small_onnx_int8", "pruned_torch_compile"])
def test_a_form_is_an_engine_with_a_smaller_network_in_front_or_without(name):
    parameters = section("compression", {"variants": [name], "champion.variant": name})
    assert parameters.variants == (name,)


@pytest.mark.parametrize("name", ["onnx_fp23", "large_onnx_int8", "small", "small_small_onnx_int8", ""])
def test_an_unknown_variant_names_the_known_ones(name):
    with pytest.raises(LexipixError) as error:
        section("compression", {"variants": ["onnx_fp32", name]})
    assert str(error.value).startswith(
        f"parameters: compression.variants.1 = {name!r} is not valid: it must be"
    )
    assert "onnx_int8, openvino_fp32, or one of them after pruned_ or small_ (" in str(error.value)

import numpy as np
import pytest
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from tests.support.exported_models import make_toys

from lexipix.utils.onnx_files import has_external_data


def external(name="weights"):
    """A tensor whose numbers are in a file."""
    tensor = numpy_helper.from_array(np.zeros(4, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def graph(nodes=(), tensors=()):
    return helper.make_graph(list(nodes), "g", [], [], list(tensors))


def constant(tensor):
    return helper.make_node("Constant", [], ["x"], value=tensor)


def choice(inner):
    return helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=graph())


def several(tensors):
    node = helper.make_node("Own", [], ["x"])
    node.attribute.append(AttributeProto(name="values", type=AttributeProto.TENSORS, tensors=tensors))
    return node


def sparse(tensor):
    return helper.make_sparse_tensor(tensor, numpy_helper.from_array(np.array([0]), "i"), [4])


def model(*nodes, tensors=(), sparse_tensors=(), functions=()):
    made = helper.make_model(graph(nodes, tensors), functions=list(functions))
    made.graph.sparse_initializer.extend(sparse_tensors)
    return made.SerializeToString()


@pytest.mark.parametrize(
    "make",
    [
        lambda tensor: model(tensors=[tensor]),
        lambda tensor: model(constant(tensor)),
        lambda tensor: model(several([tensor])),
        lambda tensor: model(choice(graph([constant(tensor)]))),
        lambda tensor: model(choice(graph(tensors=[tensor]))),
        lambda tensor: model(sparse_tensors=[sparse(tensor)]),
        lambda tensor: model(
            functions=[helper.make_function("d", "f", [], ["x"], [constant(tensor)], [])],
        ),
    ],
)
def test_a_tensor_in_another_file_is_found_wherever_it_is(make):
    assert has_external_data(make(external()))
    inside = numpy_helper.from_array(np.zeros(4, np.float32), "location")
    assert not has_external_data(make(inside))


def test_only_one_of_both_marks_is_enough():
    located, marked = external(), external()
    located.ClearField("data_location")
    marked.ClearField("external_data")
    assert has_external_data(model(tensors=[located])) and has_external_data(model(tensors=[marked]))


def test_the_graphs_of_exported_models_are_whole():
    toys = make_toys()
    graphs = [graph for name in ("onnx_vae", "onnx_scorer") for graph in toys[name].graphs.values()]
    assert len(graphs) == 4 and not any(map(has_external_data, graphs))


@pytest.mark.parametrize("content", [b"\xff" * 20, b"no model", b"\x3a\xff\xff\xff\x07", b"\x80"])
def test_what_is_no_model_is_an_error(content):
    with pytest.raises(ValueError, match="it is no ONNX model"):
        has_external_data(content)
    whole = model(tensors=[numpy_helper.from_array(np.zeros(4, np.float32), "w")])
    with pytest.raises(ValueError, match="it is no ONNX model"):
        has_external_data(whole[:-3])

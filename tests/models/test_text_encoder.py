import onnxruntime
import pytest
import torch

from lexipix.compression.onnx_graphs import text_embedding
from lexipix.data.tokenization import EOS_ID, PAD_ID
from lexipix.models.text_encoder import BagOfFeatures, TextEncoder, text_encoder_from_config

BAG = {"vocabulary": 20, "n_silent": 4, "width": 12, "embed_dim": 16, "dropout": 0.3}
UNKNOWN, RARE = 2, 3


@pytest.fixture
def bag():
    torch.manual_seed(0)
    return text_encoder_from_config(BAG).eval()


def padded(*captions):
    longest = max(map(len, captions))
    return torch.tensor([[*ids, *[PAD_ID] * (longest - len(ids))] for ids in captions])


@pytest.fixture
def encode(bag):
    """Encodes captions, given as lists of ids."""

    def go(*captions):
        ids = padded(*captions)
        return bag(ids, ids != PAD_ID)

    return go


def test_padding_the_end_and_silent_features_say_nothing(encode):
    vectors = encode([5, 6, EOS_ID], [5, 6, EOS_ID, PAD_ID, PAD_ID], [5, 6, UNKNOWN, RARE, EOS_ID])
    torch.testing.assert_close(vectors[0], vectors[1])
    torch.testing.assert_close(vectors[0], vectors[2])


def test_every_feature_has_a_vector_of_its_own(encode, bag):
    vectors = encode(*([feature, EOS_ID] for feature in range(4, 20)))
    assert len(bag.features.weight) == 16
    assert len({tuple(vector) for vector in vectors.tolist()}) == 16


def test_a_caption_of_one_word_or_none_is_a_vector_too(encode):
    torch.testing.assert_close(encode([5], [EOS_ID]).norm(dim=1), torch.ones(2))


def test_the_kind_follows_from_the_configuration(bag):
    options = {"vocabulary": 20, "max_tokens": 8, "width": 32, "depth": 1, "embed_dim": 16}
    assert isinstance(text_encoder_from_config(options), TextEncoder)
    assert isinstance(bag, BagOfFeatures)


def test_rounded_vectors_are_exported_without_a_difference(bag, tmp_path):
    with torch.no_grad():
        bag.features.weight.mul_(20)
    exact = bag(ids := padded([5, 6, RARE, EOS_ID], [19, EOS_ID]), ids != PAD_ID)
    bag.round_vectors()
    rounded = bag(ids, ids != PAD_ID)
    torch.testing.assert_close(rounded, exact, atol=1e-3, rtol=0)
    length = torch.export.Dim.DYNAMIC
    graph = torch.onnx.export(
        text_embedding(bag, PAD_ID), (ids,), dynamic_shapes=[{0: length, 1: length}], dynamo=True
    )
    session = onnxruntime.InferenceSession(graph.model_proto.SerializeToString())
    (found,) = session.run(None, {session.get_inputs()[0].name: ids[:1, :4].numpy()})
    torch.testing.assert_close(torch.from_numpy(found), rounded[:1], atol=1e-6, rtol=0)

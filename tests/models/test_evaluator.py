import pytest
import torch

from lexipix.data.tokenization import EOS_ID, N_SPECIAL, PAD_ID
from lexipix.models.evaluator import BagOfFeatures, Evaluator, EvaluatorImageEncoder

IMAGES = {"image_size": 32, "width": 8, "embed_dim": 16, "dropout": 0.3}
TEXTS = {
    "vocabulary": 20, "n_special": N_SPECIAL, "width": 12, "embed_dim": 16, "dropout": 0.3
}  # fmt: skip


@pytest.fixture
def encode():
    """Encodes captions, given as lists of ids."""
    torch.manual_seed(0)
    bag = BagOfFeatures(**TEXTS).eval()

    def go(*captions):
        longest = max(map(len, captions))
        ids = torch.tensor([[*ids, *[PAD_ID] * (longest - len(ids))] for ids in captions])
        return bag(ids, ids != PAD_ID)

    return go


@pytest.mark.parametrize("side", [24, 32, 64, 96, 128])
def test_images_of_any_size_become_unit_vectors(side):
    encoder = EvaluatorImageEncoder(**IMAGES | {"image_size": side}).eval()
    features = encoder(torch.rand(3, 3, side, side))
    assert features.pooled.shape == (3, 64)
    torch.testing.assert_close(features.embedding.norm(dim=1), torch.ones(3))


def test_the_pixels_of_a_larger_image_become_channels_so_that_it_costs_no_more_below():
    large, small = (EvaluatorImageEncoder(**IMAGES | {"image_size": side}) for side in (128, 32))
    images = torch.rand(2, 3, 128, 128)
    assert large.shrink(images).shape == (2, 48, 32, 32)
    assert large.shrink(images).sum() == pytest.approx(float(images.sum()), rel=1e-5)
    assert torch.equal(small.shrink(images), images)


def test_padding_the_end_and_unknown_features_say_nothing(encode):
    unknown = N_SPECIAL - 1
    vectors = encode([5, 6, EOS_ID], [5, 6, EOS_ID, PAD_ID, PAD_ID], [5, 6, unknown, EOS_ID])
    torch.testing.assert_close(vectors[0], vectors[1])
    torch.testing.assert_close(vectors[0], vectors[2])


def test_a_caption_of_one_word_or_none_is_a_vector_too(encode):
    torch.testing.assert_close(encode([5], [EOS_ID]).norm(dim=1), torch.ones(2))


def test_similarities_are_scaled_cosines():
    evaluator = Evaluator.from_config({"image_encoder": IMAGES, "text_encoder": TEXTS})
    vectors = torch.nn.functional.normalize(torch.randn(4, 16), dim=1)
    torch.testing.assert_close(evaluator.similarities(vectors, vectors).diagonal(), torch.full((4,), 15.0))

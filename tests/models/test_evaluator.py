import pytest
import torch

from lexipix.models.evaluator import Evaluator, EvaluatorImageEncoder

IMAGES = {"image_size": 32, "width": 8, "embed_dim": 16, "dropout": 0.3}
TEXTS = {"vocabulary": 20, "n_silent": 3, "width": 12, "embed_dim": 16, "dropout": 0.3}


@pytest.mark.parametrize("side", [24, 32, 64, 96, 128])
def test_images_of_any_size_become_unit_vectors(side):
    encoder = EvaluatorImageEncoder(**IMAGES | {"image_size": side}).eval()
    features = encoder(torch.rand(3, 3, side, side))
    assert features.pooled.shape == (3, 64)
    torch.testing.assert_close(features.embedding.norm(dim=1), torch.ones(3))


def test_the_pixels_of_a_larger_image_become_channels_so_that_it_costs_no_more_below():
    large, small = (EvaluatorImageEncoder(**IMAGES | {"image_size": side}) for side in (128, 32))
    images = torch.rand(2, 3, 128, 128)
    assert large.fold(images).shape == (2, 48, 32, 32)
    assert large.fold(images).sum() == pytest.approx(float(images.sum()), rel=1e-5)
    assert torch.equal(small.fold(images), images)


def test_similarities_are_scaled_cosines():
    evaluator = Evaluator.from_config({"image_encoder": IMAGES, "text_encoder": TEXTS})
    vectors = torch.nn.functional.normalize(torch.randn(4, 16), dim=1)
    torch.testing.assert_close(evaluator.similarities(vectors, vectors).diagonal(), torch.full((4,), 15.0))

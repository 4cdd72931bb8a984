import pytest
import torch

from lexipix.models.classifier import Classifier


@pytest.mark.parametrize("side", [8, 32, 40])
def test_images_of_any_side_give_logits(side):
    network = Classifier.from_config({"width": 4, "n_classes": 7}).eval()
    with torch.no_grad():
        assert network(torch.rand(2, 3, side, side) * 2 - 1).shape == (2, 7)


def test_the_network_has_eleven_layers_and_ends_at_eight_times_the_width():
    network = Classifier(4, 10)
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    assert len(layers) == 11  # stem, three that widen, three blocks of two, head
    assert layers[-1].in_features == 32


def test_a_residual_block_only_adds():
    torch.manual_seed(0)
    block = Classifier(4, 2).blocks[0]
    x = torch.randn(2, 8, 4, 4)
    assert (block(x) >= x).all()


def test_a_large_image_is_reduced_first():
    network, large = Classifier(4, 3).eval(), torch.rand(2, 3, 64, 64)
    small = torch.nn.functional.avg_pool2d(large, 2)
    with torch.no_grad():
        torch.testing.assert_close(network(large), network(small))

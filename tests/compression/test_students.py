import pytest
import torch
from tests.support.parameters import section

from lexipix.compression.students import make_student
from lexipix.models.text_to_image import TextToImage
from lexipix.training.bundles import load_network

IDS, NOISE = torch.tensor([[5, 6, 7, 1]]), torch.zeros(1, 8)


@pytest.fixture
def teacher(prior):
    return load_network(prior, TextToImage), prior.config["network"]


def n_weights(module):
    return sum(weight.numel() for weight in module.parameters())


SMALL = section("compression.small", {"text_encoder.width": 32, "text_encoder.depth": 1})


@pytest.mark.parametrize("parameters", [SMALL, section("compression.pruned")])
def test_config_builds_the_same_network(parameters, teacher):
    config, student = make_student(*teacher, parameters)
    again = TextToImage.from_config(config)
    again.load_state_dict(student.state_dict())
    assert torch.equal(again.eval()(IDS, NOISE), student.eval()(IDS, NOISE))
    assert n_weights(student) < n_weights(teacher[0])


def test_small_has_its_own_text_encoder_and_the_layers_of_its_teacher(teacher):
    config, student = make_student(*teacher, SMALL)
    assert student.language_model is None and config["language_model"] is None
    assert config["prior"]["text_width"] == 32 and not student.prior.text_layers
    assert torch.equal(
        student.prior.word_to_grid.cell_logits.weight, teacher[0].prior.word_to_grid.cell_logits.weight
    )
    assert torch.equal(student.decoder.linear.weight, teacher[0].decoder.linear.weight)


def test_small_of_an_upsampling_generator_upsamples(teacher):
    decoder = {"image_size": 32, "latent_channels": 4, "width": 32}
    config = {**teacher[1], "decoder": decoder}
    made, student = make_student(TextToImage.from_config(config), config, SMALL)
    assert made["decoder"] == decoder
    assert student.eval()(IDS, NOISE).shape == (1, 3, 32, 32)


def test_pruning_removes_the_least_important_channels(teacher):
    network, config = teacher
    block = network.prior.blocks[0]
    with torch.no_grad():
        for channel in range(0, 32, 2):  # what these would do next to nothing is lost without them
            block.first.weight[channel] *= 1e-4
            block.first.bias[channel] = 0
            block.second.weight[:, channel] *= 1e-4
    made, student = make_student(network, config, section("compression.pruned", {"share": 0.5}))
    assert made["prior"]["hidden"] == [16] and made["decoder"]["hidden"] == [8]
    kept = student.prior.blocks[0].first.weight
    assert torch.equal(kept, block.first.weight[1::2])
    assert network.prior.blocks[0].first.out_channels == 32, "the teacher is as it was"
    condition, grid = torch.randn(1, 32), torch.randn(1, 32, 8, 8)
    torch.testing.assert_close(
        student.prior.blocks[0](grid, condition), block(grid, condition), atol=1e-4, rtol=0
    )


def test_what_is_left_is_a_multiple_of_eight_and_never_nothing(teacher):
    made, _ = make_student(*teacher, section("compression.pruned", {"share": 0.99}))
    assert made["prior"]["hidden"] == [8]

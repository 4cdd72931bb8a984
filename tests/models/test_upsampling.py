import pytest
import torch

from lexipix.models.text_to_image import TextToImage
from lexipix.models.upsampling import UpsamplingDecoder


@pytest.mark.parametrize("size", [16, 32, 64])
def test_images_have_the_requested_size_and_range(size):
    torch.manual_seed(0)
    images = UpsamplingDecoder(size, 32, 32)(10 * torch.randn(2, 32, 8, 8))
    assert images.shape == (2, 3, size, size)
    assert images.abs().max() <= 1


@pytest.mark.parametrize("size", [8, 24, 40])
def test_sides_that_are_no_doubling_of_8_are_refused(size):
    with pytest.raises(ValueError, match=f"must be 16, 32, 64 or another doubling of 8, not {size}"):
        UpsamplingDecoder(size, 32, 32)


def test_the_mean_of_the_features_modulates_every_block():
    torch.manual_seed(0)
    decoder = UpsamplingDecoder(32, 12, 32)
    decoder(torch.randn(4, 12, 8, 8)).square().mean().backward()
    for block in decoder.blocks:
        assert all(linear.weight.grad.abs().sum() > 0 for linear in block.modulations)


@torch.no_grad()
def test_in_evaluation_mode_an_image_does_not_depend_on_its_batch():
    torch.manual_seed(0)
    decoder = UpsamplingDecoder(16, 32, 32).eval()
    latents = torch.randn(3, 32, 8, 8)
    torch.testing.assert_close(decoder(latents)[:1], decoder(latents[:1]))


def test_a_model_with_an_upsampling_decoder_is_rebuilt_from_its_config():
    from lexipix.models.language_model import small_gpt2

    network = {
        "language_model": small_gpt2(20, 12, 32, 1, eos_id=1).config.to_dict(),
        "text_encoder": {"vocabulary": 20, "max_tokens": 12, "width": 32, "depth": 1, "embed_dim": 8},
        "prior": {
            "text_width": 64, "embed_dim": 8, "latent_channels": 32, "width": 32, "depth": 1,
            "noise_dim": 3,
        },
        "decoder": {"image_size": 32, "latent_channels": 32, "width": 32},
        "pad_id": 0,
    }  # fmt: skip
    model = TextToImage.from_config(network)
    assert isinstance(model.decoder, UpsamplingDecoder)
    assert model(torch.tensor([[5, 1]]), torch.zeros(1, 3)).shape == (1, 3, 32, 32)

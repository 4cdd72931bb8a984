import pytest
import torch

from lexipix.models.language_model import small_gpt2
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_prior import TextPrior
from lexipix.models.text_to_image import TextToImage
from lexipix.models.vae import Decoder

PAD = 0


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return TextToImage(
        small_gpt2(20, 12, 32, 1, eos_id=1),
        TextEncoder(20, 12, 32, 1, 8),
        TextPrior(64, 8, 4, 32, 1, 3),
        Decoder(2, 4, 8, 1),
        PAD,
    ).eval()


@pytest.fixture(scope="module")
def ids():
    return torch.tensor([[5, 6, 7, 1], [8, 1, PAD, PAD]])


@torch.no_grad()
def test_encoding_and_decoding_are_the_whole_model(model, ids):
    noise = torch.randn(2, 3)
    encoding = model.encode_text(ids)
    assert torch.equal(model(ids, noise), model.decode(encoding, noise))
    assert torch.equal(model(ids, noise), model.decoder(model.sample_latents(encoding, noise)))
    assert model(ids, noise).shape == (2, 3, 16, 16)


@torch.no_grad()
def test_an_encoding_holds_the_states_of_both_text_models_and_a_unit_vector(model, ids):
    hidden_states, mask, embedding = model.encode_text(ids)
    assert hidden_states.shape == (2, 4, 32 + 32)
    assert mask.tolist() == [[True] * 4, [True, True, False, False]]
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))


@torch.no_grad()
def test_longer_padding_gives_the_same_images(model, ids):
    noise = torch.randn(2, 3)
    longer = torch.cat([ids, torch.full((2, 3), PAD)], dim=1)
    torch.testing.assert_close(model(longer, noise), model(ids, noise), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_conditioning_can_be_reused_for_several_images(model, ids):
    noise = torch.randn(2, 3)
    conditioning = model.condition(ids)
    assert conditioning.grid.shape == (2, 32, 8, 8) and conditioning.context.shape == (2, 32 + 8)
    assert torch.equal(model.decode_conditioning(conditioning, noise), model(ids, noise))


@torch.no_grad()
def test_without_a_language_model_the_text_encoder_is_used_alone(ids):
    torch.manual_seed(0)
    model = TextToImage(
        None, TextEncoder(20, 12, 32, 1, 8), TextPrior(32, 8, 4, 32, 1, 3), Decoder(2, 4, 8, 1), PAD
    ).eval()
    assert model.encode_text(ids).hidden_states.shape == (2, 4, 32)
    assert model.train()(ids, torch.randn(2, 3)).shape == (2, 3, 16, 16)


def test_hidden_channels_of_blocks_can_be_reduced():
    prior = TextPrior(64, 8, 4, 32, 2, 3, hidden=[16, 8])
    assert [block.first.out_channels for block in prior.blocks] == [16, 8]
    decoder = Decoder(2, 4, 32, 1, hidden=[8])
    assert decoder.trunk[0].first.out_channels == 8 and decoder.trunk[0].second.out_channels == 32

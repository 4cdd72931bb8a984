import pytest
import torch

from lexipix.models.captioner import small_gpt2
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
        Decoder(16, 4, 8, 1),
        PAD,
    ).eval()


@pytest.fixture(scope="module")
def ids():
    return torch.tensor([[5, 6, 7, 1], [8, 1, PAD, PAD]])


@torch.no_grad()
def test_drawing_from_a_reading_is_the_whole_model(model, ids):
    noise = torch.randn(2, 3)
    reading = model.read(ids)
    assert torch.equal(model(ids, noise), model.draw(reading, noise))
    assert torch.equal(model(ids, noise), model.decoder(model.latents(reading, noise)))
    assert model(ids, noise).shape == (2, 3, 16, 16)


@torch.no_grad()
def test_a_reading_holds_both_readers_states_and_a_unit_vector(model, ids):
    states, mask, vector = model.read(ids)
    assert states.shape == (2, 4, 32 + 32)
    assert mask.tolist() == [[True] * 4, [True, True, False, False]]
    torch.testing.assert_close(vector.norm(dim=1), torch.ones(2))


@torch.no_grad()
def test_longer_padding_draws_the_same_pictures(model, ids):
    noise = torch.randn(2, 3)
    longer = torch.cat([ids, torch.full((2, 3), PAD)], dim=1)
    torch.testing.assert_close(model(longer, noise), model(ids, noise), atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_what_captions_decide_by_themselves_can_be_reused(model, ids):
    noise = torch.randn(2, 3)
    plan = model.plan(ids)
    assert plan.grid.shape == (2, 32, 8, 8) and plan.context.shape == (2, 32 + 8)
    assert plan.remembered is None
    assert torch.equal(model.carry_out(plan, noise), model(ids, noise))


@torch.no_grad()
def test_a_memory_is_part_of_the_plan(ids):
    torch.manual_seed(0)
    prior = TextPrior(32, 8, 4, 32, 1, 3, memory=16)
    model = TextToImage(None, TextEncoder(20, 12, 32, 1, 8), prior, Decoder(16, 4, 8, 1), PAD).eval()
    plan = model.plan(ids)
    assert plan.remembered is not None and plan.remembered.shape == (2, 4, 8, 8)
    noise = torch.randn(2, 3)
    assert torch.equal(model.carry_out(plan, noise), model(ids, noise))


@torch.no_grad()
def test_without_a_language_model_the_text_encoder_reads_alone(ids):
    torch.manual_seed(0)
    model = TextToImage(
        None, TextEncoder(20, 12, 32, 1, 8), TextPrior(32, 8, 4, 32, 1, 3), Decoder(16, 4, 8, 1), PAD
    ).eval()
    assert model.read(ids).states.shape == (2, 4, 32)
    assert model.train()(ids, torch.randn(2, 3)).shape == (2, 3, 16, 16)


def test_blocks_may_be_narrower_inside():
    prior = TextPrior(64, 8, 4, 32, 2, 3, hidden=[16, 8])
    assert [block.first.out_channels for block in prior.blocks] == [16, 8]
    decoder = Decoder(16, 4, 32, 1, hidden=[8])
    assert decoder.trunk[0].first.out_channels == 8 and decoder.trunk[0].second.out_channels == 32

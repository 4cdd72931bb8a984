import pytest
import torch
from transformers import ConvNextConfig, Dinov2Config, ResNetConfig

from lexipix.models.image_encoder import ConvImageEncoder, ImageEncoder
from lexipix.models.image_encoder_factory import image_encoder_from_config
from lexipix.models.pretrained_image_encoder import PretrainedImageEncoder, backbone_from_config

SIZES = {"hidden_sizes": [8, 12, 16, 24], "depths": [1, 1, 1, 1]}
LAST_THREE = {"out_features": ["stage2", "stage3", "stage4"]}
BACKBONES = {
    "convnext": ConvNextConfig(**SIZES, **LAST_THREE),
    "resnet": ResNetConfig(embedding_size=8, layer_type="basic", **SIZES, **LAST_THREE),
    "dinov2": Dinov2Config(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, image_size=56, patch_size=14, **LAST_THREE
    ),
}
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)


def pretrained(name):
    torch.manual_seed(0)
    return PretrainedImageEncoder(backbone_from_config(BACKBONES[name].to_dict()), MEAN, STD, 20)


def encoder(name):
    return ConvImageEncoder((8, 12, 16), (1, 0, 1), 20) if name == "own" else pretrained(name)


@pytest.mark.parametrize("name", ["own", *BACKBONES])
@pytest.mark.parametrize("side", [32, 48])
def test_all_encoders_give_the_same_shapes(name, side):
    one = encoder(name).eval()
    with torch.no_grad():
        features = one(torch.rand(2, 3, side, side) * 2 - 1)
    assert [tuple(m.shape[2:]) for m in features.maps] == [(side // part,) * 2 for part in (2, 4, 8)]
    assert tuple(m.shape[1] for m in features.maps) == one.map_channels
    assert features.grid.shape == (2, (side // 4) ** 2, one.grid_width)
    assert features.pooled.shape == (2, one.pooled_width)
    assert features.embedding.shape == (2, 20)
    assert torch.allclose(features.embedding.norm(dim=1), torch.ones(2), atol=1e-5)


def test_the_grid_has_the_orientation_of_the_image():
    """A change at the lower left changes the cells at the lower left most."""
    torch.manual_seed(0)
    one = encoder("own").eval()
    black = torch.full((1, 3, 32, 32), -1.0)
    dotted = black.clone()
    dotted[..., 24:, :8] = 1.0
    with torch.no_grad():
        change = (one(dotted).grid - one(black).grid).norm(dim=-1).view(8, 8)
    assert change[6:, :2].mean() > 5 * change[:4, 4:].mean()


def test_a_pretrained_backbone_does_not_change_while_its_head_trains():
    one = pretrained("resnet").train()
    before = {key: value.clone() for key, value in one.state_dict().items()}
    trainable = [weight for weight in one.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(trainable, 0.1)
    one(torch.rand(4, 3, 32, 32)).grid.square().mean().backward()
    optimizer.step()
    changed = {key for key, value in one.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and not any(key.startswith("backbone.") for key in changed)
    assert any(key.startswith("merge.") for key in changed)


def test_set_trainable_leaves_the_backbone_frozen():
    one = pretrained("resnet")
    one.set_trainable(False)
    assert not any(weight.requires_grad for weight in one.parameters())
    one.set_trainable(True)
    assert one.project.weight.requires_grad
    assert not any(weight.requires_grad for weight in one.backbone.parameters())
    assert not one.train().backbone.training


def test_images_are_normalised_as_the_backbone_expects():
    seen = {}

    class Spy(torch.nn.Module):
        def forward(self, images):
            seen["images"] = images
            maps = [
                torch.zeros(len(images), 2, images.shape[-1] // part, images.shape[-1] // part)
                for part in (8, 16, 32)
            ]
            return type("Output", (), {"feature_maps": maps})()

    one = PretrainedImageEncoder(Spy(), MEAN, STD, 4)
    one.feature_maps(torch.ones(1, 3, 32, 32))
    assert seen["images"].shape == (1, 3, 128, 128)
    white = [(1 - mean) / std for mean, std in zip(MEAN, STD, strict=True)]
    assert torch.allclose(seen["images"][0, :, 64, 64], torch.tensor(white))


def test_gradients_reach_the_images_through_frozen_maps():
    """A discriminator on frozen maps must pass gradients to the generator."""
    images = torch.rand(1, 3, 32, 32, requires_grad=True)
    sum(m.square().mean() for m in pretrained("resnet").feature_maps(images)).backward()
    assert images.grad.abs().sum() > 0


def test_encoders_are_rebuilt_from_their_configs():
    own = image_encoder_from_config({"channels": [8, 12, 16], "blocks": [1, 0, 1], "embed_dim": 20})
    assert own.state_dict().keys() == encoder("own").state_dict().keys()
    config = {"backbone": BACKBONES["resnet"].to_dict(), "mean": MEAN, "std": STD, "embed_dim": 20}
    again, one = image_encoder_from_config(config), pretrained("resnet")
    again.load_state_dict(one.state_dict())
    images = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again.eval()(images).embedding, one.eval()(images).embedding)
    assert isinstance(again, ImageEncoder)

import pytest
import torch
from tests.support.retrieval import EOS, IDS, N_IMAGES, SIZE
from tests.support.retrieval import make_retrieval_generator as make

from lexipix.models.blocks import shrink
from lexipix.models.retrieval_to_image import RetrievalToImage, edge_similarities, edges_of


@pytest.mark.parametrize("channels", [3, 4])
@torch.no_grad()
def test_before_training_a_known_caption_gives_nearly_its_own_image(channels):
    model, _, images = make(channels=channels)
    drawn = model(IDS, torch.randn(N_IMAGES, 4))
    assert drawn.shape == images.shape
    error = (drawn - images).abs().mean((1, 2, 3))
    assert (error < 0.15).all() and (error < (drawn - images.roll(1, 0)).abs().mean((1, 2, 3)) / 3).all()


@torch.no_grad()
def test_the_configuration_and_the_weights_are_the_whole_model():
    model, config, _ = make()
    again = RetrievalToImage.from_config(config)
    again.load_state_dict(model.state_dict())
    noise = torch.randn(N_IMAGES, 4)
    assert torch.equal(again.eval()(IDS, noise), model(IDS, noise))


@torch.no_grad()
def test_the_noise_chooses_among_images():
    model, _, _ = make()
    unknown = torch.tensor([[18, 19, EOS]]).expand(8, -1)
    model.temperature = 100.0
    assert len(torch.unique(model(unknown, torch.randn(8, 4)), dim=0)) > 1


@torch.no_grad()
def test_a_folder_with_fewer_images_than_neighbors_works():
    model, _, images = make(IDS[:2])
    assert model(IDS, torch.randn(N_IMAGES, 4)).shape == (N_IMAGES, *images.shape[1:])
    encoding, target = model.encode_for_training(IDS[:2], torch.arange(2), images)
    assert model.decode(encoding, torch.zeros(2, 4)).shape == target.shape


def test_in_training_no_image_retrieves_itself_unless_it_must_stay_as_it_is():
    model, _, images = make()
    rows = torch.arange(N_IMAGES)
    for _ in range(10):
        encoding, target = model.encode_for_training(IDS, rows, images)
        itself = encoding.rows[:, 0] == rows
        assert torch.equal(target[itself], images[itself])
        assert torch.equal(encoding.keys[itself, 0], encoding.embedding[itself])
        assert not (encoding.rows[:, 1:] == rows[:, None]).any()


def test_where_shapes_differ_the_target_is_the_retrieved_image():
    model, _, images = make()  # images of random pixels have nothing in common
    rows = torch.arange(N_IMAGES)
    encoding, target = model.encode_for_training(IDS, rows, images)
    other = encoding.rows[:, 0] != rows
    assert other.any() and torch.equal(target[other], model._images(encoding.rows[:, :1])[other, 0])


@pytest.mark.parametrize("bf16", [False, True])
def test_every_weight_of_the_editor_learns(bf16):
    model, _, images = make()
    optimizer = torch.optim.SGD(model.unfreeze(), 0.1)
    for _ in range(3):  # branches that start at zero block gradients at first
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            found = model.retrieve(IDS, exclude=torch.arange(N_IMAGES))
            scores = model.rank(found)
            pairs = model.training_pairs(found, model.score(found), torch.arange(N_IMAGES), images)
            encoding, target, likeness = pairs
            drawn = model.decode(encoding, torch.zeros(N_IMAGES, 4))
        optimizer.zero_grad()
        loss = (drawn.float() - target).square().mean()
        (loss - (likeness * scores.float().log_softmax(1)).sum()).backward()
        optimizer.step()
    silent = [name for name, weight in model.editor.named_parameters() if not weight.grad.abs().sum() > 0]
    assert silent == []


def test_edges_are_alike_whatever_fills_the_shape():
    red, blue, other = (torch.full((1, 4, SIZE, SIZE), -1.0) for _ in range(3))
    red[:, [0, 3], 4:12, 4:12] = 1.0
    blue[:, [2, 3], 4:12, 4:12] = 1.0
    other[:, [0, 3], :3] = 1.0
    alike = edge_similarities(red, edges_of(torch.cat([red, blue, other]))[None])
    assert alike[0, 0] == pytest.approx(1) and alike[0, 1] > 0.9 and alike[0, 2] < 0.3


def test_larger_images_are_compared_at_a_smaller_size():
    large = torch.rand(2, 3, 64, 64)
    assert shrink(large, 32).shape == (2, 3, 32, 32)
    assert float(shrink(large, 32)[0, 0, 0, 0]) == pytest.approx(float(large[0, 0, :2, :2].mean()))
    assert shrink(large[..., :32, :32], 32).shape == (2, 3, 32, 32)

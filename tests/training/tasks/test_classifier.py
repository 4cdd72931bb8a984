import numpy as np
import pytest
import torch
from tests.support.generator_world import CPU, Training, check_reproducible
from tests.support.parameters import section

from lexipix.data.images import ImageRows
from lexipix.models.classifier import Classifier
from lexipix.training.bundles import to_bundle
from lexipix.training.tasks.classifier import ClassifierTask, classify

RUN = section("run", {"seed": 3, "precision": "fp32", "device": "cpu", "threads": 1})
COLORS = np.array([[200, 40, 40], [40, 200, 40], [40, 40, 200]])


def colored(n, seed=0):
    """Noisy pictures of three colors, and which."""
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 3, n)
    noise = rng.integers(-30, 31, (n, 16, 16, 3))
    return (COLORS[numbers][:, None, None] + noise).astype(np.uint8), numbers.astype(np.int64)


@pytest.fixture
def make():
    def make():
        torch.manual_seed(0)
        images, numbers = colored(48)
        settings = {"training.learning_rate": 5e-3, "weight_decay": 0.05, "flip": True}
        parameters = section("evaluation.classifier", settings)
        return ClassifierTask(Classifier(4, 3), images, numbers, colored(20, 1), parameters, CPU)

    return make


def bundle_of(network, flip=False):
    return to_bundle(
        "classifier", network, {"width": 4, "n_classes": 3},
        card_parameters={}, data_digest="d", metrics={"precision": "cpu/fp32"}, classes=["a", "b", "c"],
        flip=flip,
    )  # fmt: skip


@pytest.mark.parametrize("flip", [True, False])
def test_each_picture_is_moved_by_itself_and_mirrored_only_where_no_class_is_a_side(make, monkeypatch, flip):
    task, seen = make(), []
    place = np.arange(8) * 30
    ramps = np.stack(np.broadcast_arrays(place[:, None], place[None], place[None]), -1).astype(np.uint8)
    task.flip, task.images = flip, ImageRows(np.tile(ramps, (200, 1, 1, 1)), CPU)
    task.numbers = torch.zeros(200, dtype=torch.int64)
    monkeypatch.setattr(task.classifier, "forward", lambda images: seen.append(images) or torch.zeros(200, 3))
    torch.manual_seed(0)
    task.losses(torch.arange(200), 0.5)
    centers = (seen[0][:, :, 3:5, 3:5] + 1) * 127.5 / 30  # rows and columns where these pixels were
    is_mirrored = centers[:, 1, 0, 0] > centers[:, 1, 0, 1]
    assert 60 < int(is_mirrored.sum()) < 140 if flip else not is_mirrored.any()
    offsets = {tuple((one[:2, 0, 0] - 3).round().int().tolist()) for one in centers[~is_mirrored]}
    assert offsets == {(dy, dx) for dy in range(-2, 3) for dx in range(-2, 3)}


def test_colors_are_learned_and_named(make):
    task = make()
    made = Training(lambda: task, images=480)()[0]
    assert made.metrics["val_accuracy"] == 1.0
    images, numbers = colored(30, 2)
    for flip in (False, True):
        bundle = bundle_of(task.classifier, flip)
        assert classify(bundle, images, RUN, 7).tolist() == numbers.tolist()
    assert classify(bundle, images[:0], RUN, 7).shape == (0,)


def test_a_mirror_image_counts_as_much_as_the_picture():
    """A network that answers by the left half alone says the same of a picture and of its mirror image."""
    torch.manual_seed(0)
    bundle = bundle_of(Classifier(4, 3), flip=True)
    images, _ = colored(12, 3)
    images[:, :, :8] //= 2
    assert np.array_equal(classify(bundle, images, RUN, 12), classify(bundle, images[:, :, ::-1], RUN, 12))


def test_norms_and_biases_do_not_decay(make):
    *decaying, others = make().optimizers["classifier"].param_groups
    for group in decaying:  # matrices, and weights that are too small for Muon
        assert group["weight_decay"] == 0.05 and all(w.ndim > 1 for w in group["params"])
    assert others["weight_decay"] == 0 and all(w.ndim == 1 for w in others["params"])


def test_one_seed_gives_the_same_bytes_interrupted_or_not(make):
    check_reproducible(make)

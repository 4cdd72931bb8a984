import numpy as np
import pytest
import torch
from tests.support.generator_world import CPU, Training, check_reproducible
from tests.support.parameters import section

from lexipix.models.classifier import Classifier
from lexipix.training.bundles import to_bundle
from lexipix.training.tasks.classifier import ClassifierTask, classify, shift_each

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
        card_parameters={}, data_digest="d", figures={"precision": "cpu/fp32"}, classes=["a", "b", "c"],
        flip=flip,
    )  # fmt: skip


class TestShiftEach:
    def test_each_picture_moves_by_itself_and_keeps_its_pixels(self):
        image = torch.arange(64.0).reshape(1, 1, 8, 8).repeat(40, 1, 1, 1)
        torch.manual_seed(0)
        moved = shift_each(image, 2, flip=False)
        assert moved.shape == image.shape
        # pixels that a shift of two cannot reach past the border
        offsets = {int(one[0, 4, 4]) - 36 for one in moved}
        assert len(offsets) > 8
        assert offsets <= {8 * dy + dx for dy in range(-2, 3) for dx in range(-2, 3)}

    def test_about_half_are_mirrored(self):
        ramp = torch.arange(8.0).expand(200, 1, 8, 8)
        torch.manual_seed(0)
        moved = shift_each(ramp, 0, flip=True)
        mirrored = moved[:, 0, 0, 0] == 7
        assert 60 < int(mirrored.sum()) < 140
        assert torch.equal(moved[~mirrored], ramp[~mirrored])
        assert torch.equal(moved[mirrored], ramp[mirrored].flip(-1))

    def test_nothing_changes_without_shift_and_flip(self):
        images = torch.rand(3, 3, 8, 8)
        assert torch.equal(shift_each(images, 0, flip=False), images)


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
    decaying, others = make().optimizers["classifier"].param_groups
    assert decaying["weight_decay"] == 0.05 and all(w.ndim > 1 for w in decaying["params"])
    assert others["weight_decay"] == 0 and all(w.ndim == 1 for w in others["params"])


def test_one_seed_gives_the_same_bytes_interrupted_or_not(make):
    check_reproducible(make)

import numpy as np
import pytest
import torch
from tests.support.parameters import section

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.tokenization import train_feature_tokenizer
from lexipix.models.evaluator import Evaluator
from lexipix.training.tasks.evaluator import EvaluatorTask

COLORS = {"red": (220, 30, 30), "green": (30, 220, 30), "blue": (30, 30, 220), "white": (240, 240, 240)}


@pytest.fixture
def task():
    """Colored squares, each with its color as the caption and in other words."""
    names = [name for name in COLORS for _ in range(8)]
    images = np.stack([np.full((16, 16, 3), COLORS[name], np.uint8) for name in names])
    made = train_feature_tokenizer([*names, *(f"a {name}" for name in names)], 100)
    rows = CaptionRows(names, [[f"a {name}"] for name in names], made.tokenizer, 64, torch.device("cpu"))
    torch.manual_seed(0)
    common = {"embed_dim": 8, "dropout": 0.0}
    texts = {"vocabulary": made.tokenizer.get_vocab_size(), "n_silent": made.n_silent, "width": 16}
    evaluator = Evaluator.from_config(
        {"image_encoder": {"image_size": 16, "width": 8, **common}, "text_encoder": texts | common}
    )
    return EvaluatorTask(
        evaluator, images, rows, section("evaluation.evaluator", {"flip": True, "augmentations": ["jitter"]})
    )


def test_it_learns_which_caption_an_image_has(task):
    before = task.validate()
    torch.manual_seed(1)
    for _ in range(30):
        task.step(torch.randperm(task.n_rows)[:16], 0.5)
    task.evaluator.eval()
    after = task.validate()
    assert after["objective"] < before["objective"] and after["accuracy"] > 0.9


def test_images_of_one_caption_share_its_target(task):
    task.evaluator.eval()
    loss, metrics = task.losses(
        torch.arange(8), 0.5
    )  # one color only: two wordings, each right for its images
    assert torch.isfinite(loss) and 0 <= float(metrics["accuracy"]) <= 1
    ids = task.captions.primary(torch.arange(8))
    same = task._compare(*task._embed(task.images[torch.arange(8)], ids), ids)[1]
    assert bool(same.all())

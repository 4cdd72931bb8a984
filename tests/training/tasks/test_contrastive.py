import math

import numpy as np
import pytest
import torch
from tests.support.toy import RUN, ListStream, MemoryCheckpoints, fast

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.tokenization import EOS_ID, PAD_ID, train_tokenizer
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.loop import train
from lexipix.training.tasks.contrastive import ContrastiveTask, contrastive_loss, words_loss

CPU = torch.device("cpu")


def test_contrastive_loss_by_hand():
    similarities = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    rows = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert contrastive_loss(similarities, torch.eye(2, dtype=torch.bool)).item() == pytest.approx(rows)


def test_contrastive_loss_is_symmetric_in_pictures_and_captions():
    similarities = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    same = torch.eye(5, dtype=torch.bool)
    same[1, 3] = same[3, 1] = True
    assert torch.allclose(contrastive_loss(similarities, same), contrastive_loss(similarities.T, same))


def test_equal_captions_share_the_target():
    """Two pictures with one caption: naming either caption is right, so nothing is left to learn."""
    same = torch.ones(2, 2, dtype=torch.bool)
    assert contrastive_loss(torch.zeros(2, 2), same).item() == pytest.approx(math.log(2))
    sure = torch.tensor([[20.0, 20.0, 0.0], [20.0, 20.0, 0.0], [0.0, 0.0, 20.0]])
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    # two of the three rows and columns can do no better than one bit
    assert contrastive_loss(sure, same).item() == pytest.approx(math.log(2) * 2 / 3, abs=1e-4)


def test_words_loss_by_hand():
    logits = torch.zeros(2, 6)
    logits[0, 4] = 3.0
    ids = torch.tensor([[4, 4, EOS_ID], [5, EOS_ID, PAD_ID]])
    # six questions each at log 2, but for the word that is known: -log sigmoid(3)
    expected = (5 * math.log(2) + math.log(1 + math.exp(-3)) + 6 * math.log(2)) / 2
    assert words_loss(logits, ids, (PAD_ID, EOS_ID)).item() == pytest.approx(expected)


def test_padding_and_end_are_no_words():
    logits = torch.zeros(1, 4)
    logits[0, [PAD_ID, EOS_ID]] = -30.0
    with_both = words_loss(logits, torch.tensor([[3, EOS_ID, PAD_ID]]), (PAD_ID, EOS_ID))
    assert with_both.item() == pytest.approx(2 * math.log(2), abs=1e-5)


@pytest.mark.parametrize("augmentations", [(), ("translation", "cutout")])
def test_pair_learns_to_tell_pictures_apart(augmentations):
    colors = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "gray": (90, 90, 90)}
    captions = [f"a {name} picture" for name in colors] * 4
    images = np.stack([np.full((16, 16, 3), color, np.uint8) for color in colors.values()] * 4)
    images[::2] += 5
    tokenizer = train_tokenizer(captions, 300)
    size = tokenizer.get_vocab_size()
    torch.manual_seed(0)
    pair = ContrastivePair.from_config(
        {
            "image_encoder": {"channels": [4, 8, 8], "blocks": [0, 0, 0], "embed_dim": 8},
            "text_encoder": {"vocabulary": size, "max_tokens": 8, "width": 32, "depth": 1, "embed_dim": 8},
        }
    )
    rows = CaptionRows(captions, [[]] * 16, tokenizer, 8, CPU)
    groups = np.arange(16) % 4
    task = ContrastiveTask(
        pair, images, rows, groups, (images, rows, groups),
        learning_rate=5e-3, words_weight=0.3, augment=True, flip=True, device=CPU,
        augmentations=augmentations,
    )  # fmt: skip
    result = train(
        task, fast(images=1600, batch_size=16, reports=2), RUN, name="pair", fingerprint="x",
        stream=ListStream(), checkpoints=MemoryCheckpoints(),
    )  # fmt: skip
    assert result.figures["val_accuracy"] == 1.0

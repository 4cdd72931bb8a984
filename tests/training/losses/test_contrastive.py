import math

import pytest
import torch

from lexipix.data.tokenization import EOS_ID, PAD_ID
from lexipix.training.losses.contrastive import (
    CONTRASTIVE_SCALE,
    bag_of_tokens_loss,
    caption_matching_loss,
    contrastive_loss,
)


def softplus(x):
    return math.log(1 + math.exp(x))


def test_contrastive_loss_by_hand():
    similarities = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    rows = (math.log(1 + math.exp(-2)) + math.log(1 + math.exp(-1))) / 2
    assert contrastive_loss(similarities, torch.eye(2, dtype=torch.bool)).item() == pytest.approx(rows)


def test_contrastive_loss_is_symmetric_in_images_and_captions():
    similarities = torch.randn(5, 5, generator=torch.Generator().manual_seed(0))
    same = torch.eye(5, dtype=torch.bool)
    same[1, 3] = same[3, 1] = True
    assert torch.allclose(contrastive_loss(similarities, same), contrastive_loss(similarities.T, same))


def test_equal_captions_share_the_target():
    """Two images with one caption: naming either caption is right, so nothing is left to learn."""
    same = torch.ones(2, 2, dtype=torch.bool)
    assert contrastive_loss(torch.zeros(2, 2), same).item() == pytest.approx(math.log(2))
    sure = torch.tensor([[20.0, 20.0, 0.0], [20.0, 20.0, 0.0], [0.0, 0.0, 20.0]])
    same = torch.tensor([[1, 1, 0], [1, 1, 0], [0, 0, 1]], dtype=torch.bool)
    # two of the three rows and columns can do no better than one bit
    assert contrastive_loss(sure, same).item() == pytest.approx(math.log(2) * 2 / 3, abs=1e-4)


def test_bag_of_tokens_loss_by_hand():
    logits = torch.zeros(2, 6)
    logits[0, 4] = 3.0
    ids = torch.tensor([[4, 4, EOS_ID], [5, EOS_ID, PAD_ID]])
    # six questions each at log 2, but for the word that is known: -log sigmoid(3)
    expected = (5 * math.log(2) + math.log(1 + math.exp(-3)) + 6 * math.log(2)) / 2
    assert bag_of_tokens_loss(logits, ids, (PAD_ID, EOS_ID)).item() == pytest.approx(expected)


def test_padding_and_end_are_ignored():
    logits = torch.zeros(1, 4)
    logits[0, [PAD_ID, EOS_ID]] = -30.0
    with_both = bag_of_tokens_loss(logits, torch.tensor([[3, EOS_ID, PAD_ID]]), (PAD_ID, EOS_ID))
    assert with_both.item() == pytest.approx(2 * math.log(2), abs=1e-5)


def test_caption_matching_loss_by_hand():
    captions, groups = torch.eye(2), torch.arange(2)
    near, far = softplus(-CONTRASTIVE_SCALE), softplus(CONTRASTIVE_SCALE)
    assert float(caption_matching_loss(captions, captions, groups)) == pytest.approx(near, abs=1e-6)
    assert float(caption_matching_loss(captions.flip(0), captions, groups)) == pytest.approx(far)
    same = torch.zeros(2, dtype=torch.long)  # either image may be taken for either caption
    assert float(caption_matching_loss(captions, captions, same)) == pytest.approx((near + far) / 2)

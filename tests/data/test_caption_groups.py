import torch

from lexipix.data.caption_groups import CaptionGroups


def test_captions_that_several_pictures_have_come_several_times():
    groups = CaptionGroups(torch.tensor([0, 0, 0, 1, 2, 2, 3, 4, 5, 6, 7, 8]))
    torch.manual_seed(0)
    drawn = torch.stack([groups.regroup(torch.tensor([0, 3, 4, 6, 7, 8, 9, 10])) for _ in range(200)])
    assert (drawn[:, :2] == torch.tensor([0, 3])).all(), "the first quarter leads"
    assert (drawn[:, [3, 5, 7]] == torch.tensor([6, 8, 10])).all(), "nobody else has the second caption"
    assert set(drawn[:, [2, 4, 6]].flatten().tolist()) == {1, 2}, "others, never itself"

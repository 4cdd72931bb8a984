import numpy as np
import torch
from tests.support.toy import RUN, ListStream, MemoryCheckpoints, fast

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.tokenization import train_tokenizer
from lexipix.models.contrastive_pair import ContrastivePair
from lexipix.training.loop import train
from lexipix.training.tasks.contrastive import ContrastiveTask

CPU = torch.device("cpu")


def test_pair_learns_to_tell_pictures_apart():
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
            "n_predicted": size,
        }
    )
    rows = CaptionRows(captions, [[]] * 16, tokenizer, 8, CPU)
    groups = np.arange(16) % 4
    task = ContrastiveTask(
        pair, images, rows, groups, (images, rows, groups),
        learning_rate=5e-3, words_weight=0.3, augment=True, flip=True,
    )  # fmt: skip
    result = train(
        task, fast(num_images=1600, batch_size=16, num_validations=2), RUN, name="pair", key="pair.training",
        fingerprint="x",
        stream=ListStream(), checkpoints=MemoryCheckpoints(),
    )  # fmt: skip
    assert result.metrics["val_accuracy"] == 1.0

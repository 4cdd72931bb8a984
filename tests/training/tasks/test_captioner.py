from collections import Counter

import numpy as np
import torch
from tests.support.parameters import section
from tests.support.toy import RUN, ListStream, MemoryCheckpoints, fast

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.tokenization import EOS_ID, PAD_ID, train_tokenizer
from lexipix.evaluation.captioning import sequence_confidence, write_captions
from lexipix.models.captioner import Captioner
from lexipix.models.image_encoder import ConvImageEncoder
from lexipix.models.language_model import small_gpt2
from lexipix.scenes import caption, render_many, sample_scene
from lexipix.training.loop import train
from lexipix.training.tasks.captioner import CaptionerTask

CPU = torch.device("cpu")
N = 8


def scenes():
    random = np.random.default_rng(0)
    drawn = [sample_scene(random, max_objects=1) for _ in range(N)]
    images = np.stack([render_many([scene], random)[0] for scene in drawn])
    return images, [caption(scene) for scene in drawn]


def make(learning_rate=3e-3, encoder_factor=1.0, freeze_language_model=False, **options):
    images, captions = scenes()
    tokenizer = train_tokenizer(captions, 360)
    torch.manual_seed(0)
    captioner = Captioner(
        ConvImageEncoder((8, 16, 16), (0, 0, 0), 8),
        small_gpt2(tokenizer.get_vocab_size(), 25, 64, 1, EOS_ID),
        "cross_attention", 64, start_id=EOS_ID, pad_id=PAD_ID, eos_id=EOS_ID,
    )  # fmt: skip
    rows = CaptionRows(captions, [[f"here is {text}"] for text in captions], tokenizer, 24, CPU)
    settings = {
        "text_only_share": 0.2, "augment": False, "flip": False, "finetune_image_encoder": encoder_factor,
        "training.learning_rate": learning_rate,
    }  # fmt: skip
    parameters = section("captioner", settings | options)
    language_model = parameters.language_model.model_copy(update={"frozen": freeze_language_model})
    parameters = parameters.model_copy(update={"language_model": language_model})
    task = CaptionerTask(captioner, images, rows, (images, rows), parameters)
    return task, tokenizer, images, captions


def test_learns_eight_pictures_by_heart():
    task, tokenizer, images, captions = make(learning_rate=6e-3)
    result = train(
        task, fast(num_images=1200, batch_size=8, num_validations=2), RUN, name="captioner",
        key="captioner.training", fingerprint="x",
        stream=ListStream(), checkpoints=MemoryCheckpoints(),
    )  # fmt: skip
    assert result.metrics["val_exact_match"] == 1.0
    assert write_captions(task.captioner, tokenizer, images, 24, device=CPU) == captions
    assert write_captions(task.captioner, tokenizer, images, 24, beams=3, device=CPU) == captions
    assert {"loss", "text_loss"} <= result.curves[-1].keys()
    right, wrong = (
        sequence_confidence(task.captioner, tokenizer, images, texts, 24, device=CPU)
        for texts in (captions, captions[1:] + captions[:1])
    )
    assert right.shape == (N,) and (right > 0.9).all() and (wrong < right).all() and (wrong >= 0).all()


def test_frozen_language_model_leaves_only_what_shows_it_the_picture():
    task, *_ = make(freeze_language_model=True, encoder_factor=0.0)
    before = {key: value.clone() for key, value in task.captioner.state_dict().items()}
    torch.manual_seed(0)
    for _ in range(5):
        assert set(task.step(torch.arange(N), 0.0)) == {"loss"}, "no text alone: there is nothing to learn it"
    changed = {k for k, v in task.captioner.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {
        "positions",
        "adapter.0.weight",
        "adapter.0.bias",
        "adapter.1.weight",
        "adapter.1.bias",
    }


def test_each_part_learns_at_its_own_rate():
    task, *_ = make(learning_rate=1e-3, encoder_factor=0.1)
    rates = Counter[float]()
    for group in task.optimizers["captioner"].param_groups:
        rates[group["lr"]] += len(group["params"])
    encoder = list(task.captioner.image_encoder.parameters())
    assert rates.keys() == {1e-3, 1e-4} and rates[1e-4] == len(encoder)
    learning = {id(w) for group in task.optimizers["captioner"].param_groups for w in group["params"]}
    assert learning == {id(weight) for weight in task.captioner.parameters()}


def test_batches_without_a_picture_come_as_often_as_asked():
    task, *_ = make(text_only_share=0.3)
    torch.manual_seed(1)
    kinds = [next(iter(task.step(torch.arange(2), 0.0))) for _ in range(100)]
    assert 18 <= kinds.count("text_loss") <= 42


def test_augmented_pictures_still_train():
    task, *_ = make(augment=True, flip=True, text_only_share=0.0)
    torch.manual_seed(0)
    losses = [task.step(torch.arange(N), 0.0)["loss"].item() for _ in range(25)]
    assert losses[-1] < losses[0]

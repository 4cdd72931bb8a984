import numpy as np


def test_the_most_probable_caption_is_written(captioner, said):
    images = np.zeros((20, 16, 16, 3), np.uint8)
    assert captioner.generate(captioner.encode_images(images[:1])) == [said]
    assert captioner.caption(images) == [said] * 20 and captioner.caption(images[:0]) == []


def test_sampled_captions_differ_and_repeat_with_their_seed(captioner):
    cells = captioner.encode_images(np.zeros((1, 16, 16, 3), np.uint8))

    def say(seed):
        return captioner.generate(cells, 1.5, np.random.default_rng(seed))[0]

    assert say(1) == say(1)
    assert len({say(seed) for seed in range(5)}) > 1


def test_a_captioner_that_never_ends_is_stopped(captioner, monkeypatch):
    logits = np.zeros((1, 400), np.float32)
    logits[0, 300] = 1
    monkeypatch.setattr(captioner, "run", lambda graph, **inputs: {"logits": logits})
    assert captioner.tokenizer.encode(captioner.generate(np.zeros((1, 1, 768), np.float32))[0]).ids

import numpy as np
import pytest
from tests.support.exported_models import draw

from lexipix.data.images import normalize, to_uint8
from lexipix.inference.best_of import cosines, text_vectors
from lexipix.inference.onnx_models import from_pixels, noise_of

PROMPTS = ["a big red circle at the left on white", "a small blue star at the top on black"]


def test_picture_depends_on_prompt_seed_and_index_alone(drawer):
    four = draw(drawer, PROMPTS, n=4, seed=7)
    assert four.shape == (8, 16, 16, 3) and four.dtype == np.uint8
    assert np.array_equal(draw(drawer, PROMPTS[1:], n=2, seed=7), four[4:6])
    assert np.array_equal(draw(drawer, PROMPTS[::-1], n=4, seed=7), np.concatenate([four[4:], four[:4]]))
    assert np.array_equal(draw(drawer, PROMPTS, n=4, seed=7), four)
    assert len({image.tobytes() for image in four}) == 8
    assert not np.array_equal(draw(drawer, PROMPTS, n=4, seed=8), four)


def test_one_core_draws_what_two_draw(drawer, monkeypatch):
    two = draw(drawer, PROMPTS, n=3, seed=7)
    monkeypatch.setattr("lexipix.utils.threads._n_cores", lambda: 1)
    assert np.array_equal(draw(drawer, PROMPTS, n=3, seed=7), two)


def test_a_prompt_is_read_once(drawer, monkeypatch):
    read = []
    run_all = drawer.run_all

    def counted(graph, outputs=None, **inputs):
        if graph == "read":
            read.extend(range(len(inputs["ids"])))
        return run_all(graph, outputs, **inputs)

    monkeypatch.setattr(drawer, "run_all", counted)
    draw(drawer, PROMPTS, n=40, seed=7)
    assert len(read) == 2
    draw(drawer, PROMPTS[:1], n=1, seed=8)
    assert len(read) == 2, "nor when it is drawn again"
    drawer.forget()
    draw(drawer, PROMPTS[:1], n=1, seed=8)
    assert len(read) == 3


def test_few_readings_are_kept(drawer, monkeypatch):
    monkeypatch.setattr("lexipix.inference.onnx_models.MAX_PLANS", 3)
    prompts = [f"a red circle {number}" for number in range(8)]
    images = draw(drawer, prompts, n=1, seed=7)
    assert len(drawer._plans) == 3
    assert np.array_equal(draw(drawer, prompts, n=1, seed=7), images)


def test_nothing_to_draw_gives_no_pictures(drawer):
    assert draw(drawer, [], n=3, seed=7).shape == (0, 16, 16, 3)


def test_noise_is_standard_normal_and_differs_by_index():
    noise = np.concatenate([noise_of(3, index, 64) for index in range(200)])
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.03
    assert len(np.unique(noise[:, 0])) == 200


def test_pixels_are_what_training_makes_of_them():
    import torch

    images = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    assert np.array_equal(from_pixels(images), normalize(torch.from_numpy(images)).numpy())
    assert np.array_equal(to_uint8(torch.from_numpy(from_pixels(images))), images)
    values = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    levels = np.rint((values + 1) * 127.5).clip(0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    assert np.array_equal(to_uint8(torch.from_numpy(values)), levels)


def test_describer_says_the_most_probable_words(describer, said):
    images = np.zeros((20, 16, 16, 3), np.uint8)
    assert describer.describe(describer.see(images[:1])) == [said]
    assert describer.caption(images) == [said] * 20 and describer.caption(images[:0]) == []


def test_words_drawn_by_lot_differ_and_repeat_with_their_seed(describer):
    cells = describer.see(np.zeros((1, 16, 16, 3), np.uint8))

    def say(seed):
        return describer.describe(cells, 1.5, np.random.default_rng(seed))[0]

    assert say(1) == say(1)
    assert len({say(seed) for seed in range(5)}) > 1


def test_a_captioner_that_never_ends_is_stopped(describer, monkeypatch):
    logits = np.zeros((1, 400), np.float32)
    logits[0, 300] = 1
    monkeypatch.setattr(describer, "run", lambda graph, **inputs: logits)
    assert describer.tokenizer.encode(describer.describe(np.zeros((1, 1, 768), np.float32))[0]).ids


def test_agreement_is_the_cosine_of_unit_vectors(drawer, scorer):
    images = draw(drawer, PROMPTS, n=2, seed=7)
    texts = [prompt for prompt in PROMPTS for _ in range(2)]
    found = cosines(scorer, images, text_vectors(scorer, texts))
    by_hand = [
        scorer.image_vector(image) @ scorer.text_vector(text)
        for image, text in zip(images, texts, strict=True)
    ]
    assert found == pytest.approx(by_hand)
    assert np.linalg.norm(scorer.image_vector(images[0])) == pytest.approx(1, abs=1e-6)
    assert (np.abs(found) <= 1 + 1e-6).all()

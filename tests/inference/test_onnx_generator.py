import numpy as np
from tests.support.exported_models import draw

from lexipix.inference.onnx_generator import sample_noise

PROMPTS = ["a big red circle at the left on white", "a small blue star at the top on black"]


def test_an_image_depends_on_prompt_seed_and_index_alone(generator):
    four = draw(generator, PROMPTS, n=4, seed=7)
    assert four.shape == (8, 16, 16, 3) and four.dtype == np.uint8
    assert np.array_equal(draw(generator, PROMPTS[1:], n=2, seed=7), four[4:6])
    assert np.array_equal(draw(generator, PROMPTS[::-1], n=4, seed=7), np.concatenate([four[4:], four[:4]]))
    assert np.array_equal(draw(generator, PROMPTS, n=4, seed=7), four)
    assert len({image.tobytes() for image in four}) == 8
    assert not np.array_equal(draw(generator, PROMPTS, n=4, seed=8), four)


def test_one_core_draws_what_two_draw(generator, monkeypatch):
    two = draw(generator, PROMPTS, n=3, seed=7)
    monkeypatch.setattr("lexipix.utils.threads.n_cores", lambda: 1)
    assert np.array_equal(draw(generator, PROMPTS, n=3, seed=7), two)


def test_a_prompt_is_encoded_once(generator, monkeypatch):
    read = []
    run = generator.run

    def counted(graph, *outputs, **inputs):
        if graph == "read":
            read.extend(range(len(inputs["ids"])))
        return run(graph, *outputs, **inputs)

    monkeypatch.setattr(generator, "run", counted)
    draw(generator, PROMPTS, n=40, seed=7)
    assert len(read) == 2
    draw(generator, PROMPTS[:1], n=1, seed=8)
    assert len(read) == 2, "nor when it is drawn again"
    generator.clear_cache()
    draw(generator, PROMPTS[:1], n=1, seed=8)
    assert len(read) == 3


def test_few_encodings_are_cached(generator, monkeypatch):
    monkeypatch.setattr("lexipix.inference.onnx_generator.MAX_CACHED", 3)
    prompts = [f"a red circle {number}" for number in range(8)]
    images = draw(generator, prompts, n=1, seed=7)
    assert len(generator._cache) == 3
    assert np.array_equal(draw(generator, prompts, n=1, seed=7), images)


def test_no_prompts_give_no_images(generator):
    assert draw(generator, [], n=3, seed=7).shape == (0, 16, 16, 3)


def test_noise_is_standard_normal_and_differs_by_index():
    noise = np.concatenate([sample_noise(3, index, 64) for index in range(200)])
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.03 and abs(noise.std() - 1) < 0.03
    assert len(np.unique(noise[:, 0])) == 200


def test_images_between_two_prompts_go_from_one_to_the_other(generator):
    noise, (first, last) = sample_noise(7, 0, generator.noise_dim), PROMPTS
    shares = np.linspace(0, 1, 35, dtype=np.float32)  # more than one batch
    between = generator.interpolate(first, last, shares, noise)
    ends = generator.generate(PROMPTS, np.repeat(noise, 2, 0))
    assert between.shape == (35, 16, 16, 3) and between.dtype == np.uint8
    assert np.array_equal(between[[0, -1]], ends)
    steps = np.abs(np.diff(between.astype(int), axis=0)).mean((1, 2, 3))
    assert (steps > 0).all() and steps.max() < 0.2 * np.abs(ends[1].astype(int) - ends[0]).mean()

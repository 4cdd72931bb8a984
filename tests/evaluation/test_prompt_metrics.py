import numpy as np
import pandas as pd
import pytest
from tests.support.parameters import section

from lexipix.evaluation.prompt_metrics import choose_prompts, nearest_train_psnr, prompt_metrics
from lexipix.utils.types import ImageSplits, Split

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "black": (0, 0, 0)}
WORDS = {"rot": "red", "gruen": "green", "blau": "blue"}


def split_of(captions, paraphrases=None):
    images = np.stack(
        [np.zeros((0, 0, 3), np.uint8)[:0]] if not captions else [_color(t or "black") for t in captions]
    )
    table = pd.DataFrame({"caption": captions, "paraphrases": paraphrases or [[] for _ in captions]})
    return Split(images, table)


def _color(text):
    word = text.split()[-1]
    return np.full((8, 8, 3), 255 * np.array(COLORS[WORDS.get(word, word)]), np.uint8)


class ColorEmbedder:
    """Embeds images and texts by their color."""

    def embed_images(self, images):
        embeddings = images[:, 0, 0].astype(np.float32) / 255
        return embeddings, embeddings

    def embed_paraphrases(self, paraphrases):
        return np.stack([np.mean([_color(text)[0, 0] for text in texts], axis=0) for texts in paraphrases])


class TestChoosePrompts:
    def test_what_has_a_caption_evenly_spread(self):
        split = split_of(["a red", None, "b green", "c blue", None, "d red", "e green"])
        prompts = choose_prompts(split, 3)
        assert prompts.captions == ["a red", "c blue", "e green"]
        np.testing.assert_array_equal(prompts.images[1], split.images[3])
        assert len(choose_prompts(split, 100).captions) == 5
        assert choose_prompts(split, 0).captions == []

    def test_paraphrases_are_those_of_the_captions(self):
        split = split_of(["red", "blue"], [["rot"], []])
        prompts = choose_prompts(split, 2)
        assert prompts.captions == ["red", "blue"] and prompts.paraphrases == [["rot"], []]

    def test_captions_of_one_image_are_preferred_where_there_are_enough(self):
        split = split_of(["a red", "a red", "b green", "c blue"])
        assert choose_prompts(split, 2, unique=True).captions == ["b green", "c blue"]
        assert choose_prompts(split, 3, unique=True).captions == ["a red", "b green", "c blue"]


class TestPromptMetrics:
    @pytest.fixture
    def measured(self):
        """Measures a VAE that is right, a GAN that repeats its first color, a champion without German."""
        paths = {
            "vae": lambda captions: np.stack([_color(text) for text in captions]),
            "gan": lambda captions: np.stack([_color(captions[0])] * len(captions)),
            "champion": lambda captions: np.stack(
                [_color("black" if text.split()[-1] in WORDS else text) for text in captions]
            ),
        }

        def go(train, test, pairs=None, n_prompts=20):
            parameters = section("evaluation", {"n_prompts": n_prompts, "n_candidates": 100})
            splits = ImageSplits(train, train, test, pairs or split_of([None]))
            return prompt_metrics(splits, paths, ColorEmbedder(), parameters, seed=3)

        return go

    def test_captions_of_all_splits_beside_real_and_retrieved_images(self, measured):
        train = split_of(["red", "green", "blue"], [["rot"], ["gruen"], ["blau"]])
        metrics = measured(train, split_of(["a red", "a green", None]), split_of(["a blue", "a red"]))
        assert set(metrics) == {"unseen", "seen", "pairs"}
        assert [metrics[name]["n"] for name in ("unseen", "seen", "pairs")] == [2, 3, 2]
        for name in metrics:
            assert metrics[name]["real"]["r_precision"] == 1
            right = metrics[name]["vae"]
            assert right["r_precision"] == right["image_similarity"] == 1 and right["psnr"] == 100
            assert right["nearest_train_psnr"] == 100 and right["flat_ripple"] == right["ghost_index"] == 0
            assert metrics[name]["retrieved"]["r_precision"] == 1, "the nearest caption has the right color"
        assert metrics["seen"]["gan"]["r_precision"] == pytest.approx(1 / 3)
        assert metrics["seen"]["gan"]["image_similarity"] == pytest.approx(1 / 3)
        assert "nearest_train_psnr" not in metrics["seen"]["real"]
        assert metrics["seen"]["paraphrases"] == {"2": pytest.approx(1 / 3)}, "black is as near to each"
        assert metrics["unseen"]["paraphrases"] == {}

    def test_what_does_not_apply_is_absent(self, measured):
        train, nothing = split_of(["red", "green"]), split_of([None, None])
        assert set(measured(train, nothing)) == {"seen"}
        assert measured(train, train, n_prompts=0) == {}

    def test_equal_captions_measure_nothing(self, measured):
        same = split_of(["red", "red"])
        assert measured(same, same) == {}


def test_the_nearest_training_image_is_found_and_a_copy_has_100_db():
    random = np.random.default_rng(0)
    train = random.integers(0, 256, (5000, 16, 16, 3)).astype(np.uint8)
    noise = train[[3, 4999]].astype(int) + 2
    assert nearest_train_psnr(train[[7, 4000]], train) == 100
    drawn = np.clip(noise, 0, 255).astype(np.uint8)
    assert nearest_train_psnr(drawn, train) == pytest.approx(10 * np.log10(255**2 / 4), abs=0.1)
    bright = np.full((3, 32, 32, 3), 250, np.uint8)
    bright[1, 0, 0, 0] = 251  # of two that differ by one value in one place, either is near enough
    assert nearest_train_psnr(bright[2:], bright[:2]) > 80

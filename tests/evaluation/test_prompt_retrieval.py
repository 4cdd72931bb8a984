import numpy as np
import pandas as pd
import pytest
from tests.support.parameters import section

from lexipix.evaluation.prompt_retrieval import choose_prompts, prompt_metrics
from lexipix.utils.types import Split

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "black": (0, 0, 0)}
WORDS = {"rot": "red", "gruen": "green", "blau": "blue"}


def split_of(captions, paraphrases=None):
    images = np.stack([_color(text or "black") for text in captions])
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

        def go(train, test, n_prompts=20):
            splits = {"train": train, "test": test}
            parameters = section("evaluation", {"n_prompts": n_prompts, "n_candidates": 100})
            return prompt_metrics(splits, paths, ColorEmbedder(), parameters, seed=3)

        return go

    def test_captions_of_both_splits_and_every_paraphrase(self, measured):
        train = split_of(["red", "green", "blue"], [["rot"], ["gruen"], ["blau"]])
        metrics = measured(train, split_of(["a red", "a green", None]))
        assert metrics["text"]["vae"] == {"train_r_precision": 1, "test_r_precision": 1}
        assert metrics["text"]["gan"]["train_r_precision"] == pytest.approx(1 / 3)
        assert metrics["baseline"]["real"] == {"train_r_precision": 1, "test_r_precision": 1}
        assert metrics["paraphrases"] == {"train": {"2": pytest.approx(1 / 3)}}, "black is as near to each"
        assert metrics["n_prompts"] == {"train": 3, "test": 2}

    def test_what_does_not_apply_is_absent(self, measured):
        train, nothing = split_of(["red", "green"]), split_of([None, None])
        metrics = measured(train, nothing)
        assert metrics["n_prompts"] == {"train": 2} and "paraphrases" not in metrics
        assert set(metrics["text"]["vae"]) == {"train_r_precision"}
        assert measured(train, train, n_prompts=0) == {}

    def test_equal_captions_measure_nothing(self, measured):
        same = split_of(["red", "red"])
        assert measured(same, same) == {}

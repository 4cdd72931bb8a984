import numpy as np
import pandas as pd
import pytest

from lexipix.evaluation.prompts import SummaryLine, choose_prompts, measure_prompts
from lexipix.utils.types import ImageSplits, Split

COLORS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1), "black": (0, 0, 0)}
WORDS = {"rot": "red", "gruen": "green", "blau": "blue"}


def split_of(captions, paraphrases=None):
    images = np.stack([_color(text or "black") for text in captions])
    table = pd.DataFrame({"caption": captions, "paraphrases": paraphrases or [[] for _ in captions]})
    return Split(images, table)


def _color(text):
    word = text.split()[-1]
    return np.full((8, 8, 3), 255 * np.array(COLORS[WORDS.get(word, word)]), np.uint8)


class ColorJudge:
    """Sees and reads colors."""

    def look(self, images):
        vectors = images[:, 0, 0].astype(np.float32) / 255
        return vectors, vectors

    def understand(self, wordings):
        return np.stack([np.mean([_color(text)[0, 0] for text in texts], axis=0) for texts in wordings])


class TestChoosePrompts:
    def test_what_has_a_caption_evenly_spread(self):
        split = split_of(["a red", None, "b green", "c blue", None, "d red", "e green"])
        prompts = choose_prompts(split, 3)
        assert prompts.captions == ["a red", "c blue", "e green"]
        np.testing.assert_array_equal(prompts.images[1], split.images[3])
        assert len(choose_prompts(split, 100).captions) == 5
        assert choose_prompts(split, 0).captions == []

    def test_all_wordings_come_along_the_caption_first(self):
        split = split_of(["red", "blue"], [["rot"], []])
        assert choose_prompts(split, 2).wordings == [["red", "rot"], ["blue"]]


class TestFinding:
    def test_right_and_wrong_pictures(self):
        prompts = choose_prompts(split_of(["red", "green", "blue"]), 9)
        finding = SummaryLine(prompts, ColorJudge(), 100, 0)
        every = np.arange(3)
        assert finding(prompts.images, every) == 1
        assert finding(prompts.images[[1, 2, 0]], every) == 0
        assert finding(prompts.images[[1, 0]], np.array([1, 0])) == 1

    def test_one_caption_tells_nothing(self):
        assert not SummaryLine(choose_prompts(split_of(["red", "red"]), 9), ColorJudge(), 100, 0).applies
        assert not SummaryLine(choose_prompts(split_of([None, None]), 9), ColorJudge(), 100, 0).applies


class TestMeasurePrompts:
    @pytest.fixture
    def measured(self, monkeypatch, evaluation, run):
        """Figures where the VAE draws as asked, the GAN always the first color, the champion no German."""
        from lexipix.evaluation import prompts

        draws = {
            "vae": lambda captions: np.stack([_color(text) for text in captions]),
            "gan": lambda captions: np.stack([_color(captions[0])] * len(captions)),
            "champion": lambda captions: np.stack(
                [_color("black" if text.split()[-1] in WORDS else text) for text in captions]
            ),
        }
        monkeypatch.setattr(prompts, "text_paths", lambda *_: draws)
        monkeypatch.setattr(prompts, "Judge", lambda *_: ColorJudge())

        def go(train, test, **change):
            pictures = ImageSplits(train, train, test, train)
            own = evaluation.model_copy(update=change)
            return measure_prompts(own, run, pictures, *[None] * 8)

        return go

    def test_captions_of_both_splits_and_every_wording(self, measured):
        train = split_of(["red", "green", "blue"], [["rot"], ["gruen"], ["blau"]])
        figures = measured(train, split_of(["a red", "a green", None]))
        assert figures["text"]["vae"] == {"train_r_precision": 1, "test_r_precision": 1}
        assert figures["text"]["gan"]["train_r_precision"] == pytest.approx(1 / 3)
        assert figures["baseline"]["real"] == {"train_r_precision": 1, "test_r_precision": 1}
        assert figures["wordings"] == {"train": {"2": pytest.approx(1 / 3)}}, "black is as near to each"
        assert figures["n_prompts"] == {"train": 3, "test": 2}

    def test_what_does_not_apply_is_absent(self, measured):
        train, nothing = split_of(["red", "green"]), split_of([None, None])
        figures = measured(train, nothing)
        assert figures["n_prompts"] == {"train": 2} and "wordings" not in figures
        assert set(figures["text"]["vae"]) == {"train_r_precision"}
        assert measured(train, train, n_prompts=0) == {}

import numpy as np
import pandas as pd
import pytest

from lexipix.config.evaluation import EvaluationParameters
from lexipix.pipelines.evaluation.classed import classed, classes_of
from lexipix.pipelines.evaluation.classes import judge_classes, judged, train_classifier
from lexipix.records import Pictures, Split
from lexipix.training.aside import Sequel
from lexipix.training.left_out import is_left_out

from ...training.toy import MemoryCheckpoints
from .conftest import ListStream, NoCheckpoints

CLASSES = ("blue", "green", "red")
COLORS = {"red": (200, 60, 60), "green": (60, 200, 60), "blue": (60, 60, 200)}


def colored(names, seed):
    """Noisy pictures of one color each, around which the single pictures vary."""
    rng = np.random.default_rng(seed)
    base = np.array([COLORS[name] for name in names])[:, None, None]
    tint = rng.integers(-40, 41, (len(names), 1, 1, 3))
    return np.clip(base + tint + rng.integers(-20, 21, (len(names), 16, 16, 3)), 0, 255).astype(np.uint8)


def split_of(n, seed):
    names = [CLASSES[i % 3] for i in range(n)]
    table = pd.DataFrame({"file": [f"{seed}-{i}.png" for i in range(n)], "label": names})
    table = table.assign(caption=[f"a {name} picture" for name in names], withheld_caption=None)
    return Split(colored(names, seed), table)


@pytest.fixture(scope="module")
def colors():
    return Pictures(split_of(48, 0), split_of(12, 1), split_of(30, 2), split_of(3, 3), {"digest": "d"})


@pytest.fixture(scope="module")
def parameters():
    training = {"images": 480, "batch_size": 16, "learning_rate": 5e-3, "reports": 2}
    classifier = {"n_drawn": 24, "cas_images": 320, "width": 4, "min_pictures": 4, "training": training}
    return EvaluationParameters.model_validate({"classifier": classifier, "batch_size": 16})


@pytest.fixture(scope="module")
def classifier(colors, parameters, run):
    return train_classifier(parameters, run, colors, {}, ListStream(), NoCheckpoints())


def good(captions):
    """What draws as it should."""
    return colored([caption.split()[1] for caption in captions], 9)


def wrong(captions):
    """What draws the next class."""
    return colored([CLASSES[(CLASSES.index(caption.split()[1]) + 1) % 3] for caption in captions], 9)


class TestClasses:
    def test_small_ones_and_untested_ones_do_not_count(self, colors):
        assert classes_of(colors, 16) == list(CLASSES)
        assert classes_of(colors, 17) == []
        untested = colors.test.captions.assign(label=["red", "blue"] * 15)
        test = Split(colors.test.images, untested)
        assert classes_of(Pictures(colors.train, colors.val, test, colors.judge), 2) == ["blue", "red"]

    def test_one_class_is_none(self, colors):
        train = Split(colors.train.images, colors.train.captions.assign(label="red"))
        assert classes_of(Pictures(train, colors.val, colors.test, colors.judge), 2) == []

    def test_pictures_of_other_classes_and_without_any_are_left_out(self, colors):
        table = colors.test.captions.copy()
        table.loc[0, "label"], table.loc[1, "label"] = None, "other"
        table.loc[2, ["caption", "withheld_caption"]] = None, "a withheld one"
        table.loc[3, "caption"] = None
        chosen = classed(Split(colors.test.images, table), list(CLASSES))
        assert len(chosen) == 28
        assert chosen.captions[:3] == ["a withheld one", "", "a green picture"]
        assert chosen.numbers[:3].tolist() == [2, 0, 1]
        np.testing.assert_array_equal(chosen.images[np.array([0])][0], colors.test.images[2])


class TestClassifier:
    def test_it_is_trained_on_the_real_training_pictures(self, classifier, colors):
        bundle, curves, figures = classifier
        assert bundle.config["classes"] == list(CLASSES)
        assert figures["images_seen"] == 480 and len(curves) == 2
        assert figures["val_accuracy"] > 0.8
        assert bundle.card["data_digest"] == "d"

    @pytest.mark.parametrize(
        ("change", "because"),
        [({"n_drawn": None}, "n_drawn is null"), ({"min_pictures": 1000}, "min_pictures = 1000 and a test")],
    )
    def test_where_it_does_not_apply_it_is_left_out(self, colors, parameters, run, change, because):
        own = parameters.model_copy(update={"classifier": parameters.classifier.model_copy(update=change)})
        stream = ListStream()
        bundle, curves, figures = train_classifier(own, run, colors, {}, stream, NoCheckpoints())
        assert is_left_out(bundle) and because in bundle.config["because"] and figures == {}
        assert list(curves.columns) == ["images_seen", "seconds"] and stream.rows == []
        assert judge_classes(own, run, colors, bundle, NoCheckpoints(), *[None] * 7) == {}


class TestJudged:
    @pytest.fixture(scope="class")
    def figures(self, classifier, colors, parameters, run):
        paths = {"good": good, "wrong": wrong}
        return judged(paths, colors, classifier[0], parameters, run, Sequel(MemoryCheckpoints()))

    def test_agreement_with_the_captions_class(self, figures):
        assert figures["text"]["good"]["class_agreement"] > 0.8
        assert figures["text"]["wrong"]["class_agreement"] < 0.2
        assert set(figures["by_class"]) == {"real", "good", "wrong"}
        assert set(figures["by_class"]["good"]) == set(CLASSES)
        assert figures["n_drawn"] == 24 and figures["n_test"] == 30

    def test_what_can_be_learned_from_drawn_pictures(self, figures):
        assert figures["text"]["good"]["cas"] > 0.7
        assert figures["text"]["wrong"]["cas"] < 0.5

    def test_floor_and_ceiling(self, figures):
        baseline = figures["baseline"]
        assert baseline["real"]["class_agreement"] > 0.8 and baseline["real"]["cas"] > 0.7
        assert baseline["shuffled"] == {"class_agreement": pytest.approx(1 / 3), "cas": pytest.approx(1 / 3)}

    def test_same_seed_same_figures(self, figures, classifier, colors, parameters, run):
        again = judged({"good": good}, colors, classifier[0], parameters, run, Sequel(MemoryCheckpoints()))
        assert again["text"]["good"] == figures["text"]["good"]

    def test_an_interrupted_step_goes_on(self, figures, classifier, colors, parameters, run):
        store, drawn = MemoryCheckpoints(), []

        def interrupted(captions):
            drawn.append(len(captions))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            judged(
                {"good": good, "wrong": interrupted}, colors, classifier[0], parameters, run, Sequel(store)
            )
        assert len(store.kept[1]["finished"]) == 1 and drawn == [24]
        whole = judged({"good": good, "wrong": wrong}, colors, classifier[0], parameters, run, Sequel(store))
        assert whole == figures
        assert len(store.kept[1]["finished"]) == 3

    def test_without_the_second_question_it_is_absent(self, classifier, colors, parameters, run):
        own = parameters.classifier.model_copy(update={"cas_images": None})
        figures = judged(
            {"good": good}, colors, classifier[0], parameters.model_copy(update={"classifier": own}), run,
            Sequel(MemoryCheckpoints()),
        )  # fmt: skip
        assert set(figures["text"]["good"]) == set(figures["baseline"]["real"]) == {"class_agreement"}

    def test_without_a_single_caption_only_the_real_pictures_are_judged(
        self, classifier, colors, parameters, run
    ):
        table = colors.test.captions.assign(caption=None)
        test = Split(colors.test.images, table)
        silent = Pictures(colors.train, colors.val, test, colors.judge, colors.summary)
        figures = judged({"good": good}, silent, classifier[0], parameters, run, Sequel(MemoryCheckpoints()))
        assert figures["text"] == {} and figures["n_drawn"] == 0
        assert set(figures["baseline"]["real"]) == {"class_agreement"}

import pytest
from tests.support.colored_world import CLASSES, colored, colored_pictures
from tests.support.evaluation_fixtures import ListStream, NoCheckpoints
from tests.support.toy import MemoryCheckpoints

from lexipix.config.evaluation import EvaluationParameters
from lexipix.evaluation.class_agreement import judge_classes, judged, train_classifier
from lexipix.training.checkpoint_sequence import CheckpointSequence
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ImageSplits, Split


@pytest.fixture(scope="module")
def colors():
    return colored_pictures()


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
        assert is_skipped(bundle) and because in bundle.config["because"] and figures == {}
        assert list(curves.columns) == ["images_seen", "seconds"] and stream.rows == []
        assert judge_classes(own, run, colors, bundle, NoCheckpoints(), *[None] * 7) == {}


class TestJudged:
    @pytest.fixture(scope="class")
    def figures(self, classifier, colors, parameters, run):
        paths = {"good": good, "wrong": wrong}
        return judged(paths, colors, classifier[0], parameters, run, CheckpointSequence(MemoryCheckpoints()))

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
        again = judged(
            {"good": good}, colors, classifier[0], parameters, run, CheckpointSequence(MemoryCheckpoints())
        )
        assert again["text"]["good"] == figures["text"]["good"]

    def test_an_interrupted_step_goes_on(self, figures, classifier, colors, parameters, run):
        store, drawn = MemoryCheckpoints(), []

        def interrupted(captions):
            drawn.append(len(captions))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            judged(
                {"good": good, "wrong": interrupted},
                colors,
                classifier[0],
                parameters,
                run,
                CheckpointSequence(store),
            )
        assert len(store.kept[1]["finished"]) == 1 and drawn == [24]
        whole = judged(
            {"good": good, "wrong": wrong}, colors, classifier[0], parameters, run, CheckpointSequence(store)
        )
        assert whole == figures
        assert len(store.kept[1]["finished"]) == 3

    def test_without_the_second_question_it_is_absent(self, classifier, colors, parameters, run):
        own = parameters.classifier.model_copy(update={"cas_images": None})
        figures = judged(
            {"good": good}, colors, classifier[0], parameters.model_copy(update={"classifier": own}), run,
            CheckpointSequence(MemoryCheckpoints()),
        )  # fmt: skip
        assert set(figures["text"]["good"]) == set(figures["baseline"]["real"]) == {"class_agreement"}

    def test_without_a_single_caption_only_the_real_pictures_are_judged(
        self, classifier, colors, parameters, run
    ):
        table = colors.test.captions.assign(caption=None)
        test = Split(colors.test.images, table)
        silent = ImageSplits(colors.train, colors.val, test, colors.judge, colors.summary)
        figures = judged(
            {"good": good}, silent, classifier[0], parameters, run, CheckpointSequence(MemoryCheckpoints())
        )
        assert figures["text"] == {} and figures["n_drawn"] == 0
        assert set(figures["baseline"]["real"]) == {"class_agreement"}

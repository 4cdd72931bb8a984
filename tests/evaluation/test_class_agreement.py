import numpy as np
import pytest
from tests.support.colored_world import CLASSES, colored, colored_pictures
from tests.support.evaluation_fixtures import ListStream, NoCheckpoints
from tests.support.parameters import section
from tests.support.toy import MemoryCheckpoints

from lexipix.evaluation import class_agreement
from lexipix.evaluation.class_agreement import class_metrics, find_classes, labeled_images
from lexipix.pipelines.evaluation.nodes import measure_classes, train_classifier
from lexipix.utils.skipped_model import is_skipped
from lexipix.utils.types import ImageSplits, Split


@pytest.fixture(scope="module")
def colors():
    return colored_pictures()


@pytest.fixture(scope="module")
def parameters():
    classifier = {
        "n_drawn": 24, "cas_drawn": 40, "width": 4, "min_images": 4, "training.num_images": 480,
        "training.batch_size": 16, "training.learning_rate": 5e-3, "training.num_validations": 2,
    }  # fmt: skip
    changes = {f"classifier.{name}": value for name, value in classifier.items()}
    return section("evaluation", changes | {"batch_size": 16})


@pytest.fixture(scope="module")
def classifier(colors, parameters, run):
    return train_classifier(parameters, run, colors, ListStream(), NoCheckpoints())


def good(captions):
    """Draws the class of each caption."""
    return colored([caption.split()[1] for caption in captions], 9)


def wrong(captions):
    """Draws the next class."""
    return colored([CLASSES[(CLASSES.index(caption.split()[1]) + 1) % 3] for caption in captions], 9)


PATHS = {"champion": good, "vae": wrong}


def measure(paths, images, classifier, parameters, run, store=None):
    return class_metrics(paths, images, classifier[0], parameters, run, store or MemoryCheckpoints())


class TestClassifier:
    def test_it_is_trained_on_the_real_training_images(self, classifier, colors):
        bundle, curves, metrics = classifier
        assert bundle.config["classes"] == list(CLASSES)
        assert metrics["images_seen"] == 480 and len(curves) == 2
        assert metrics["val_accuracy"] > 0.8
        assert bundle.card["data_digest"] == "d"

    @pytest.mark.parametrize(
        ("change", "because"),
        [({"n_drawn": None}, "n_drawn is null"), ({"min_images": 1000}, "min_images = 1000 and a test")],
    )
    def test_if_it_does_not_apply_it_is_skipped(self, colors, parameters, run, change, because):
        own = parameters.model_copy(update={"classifier": parameters.classifier.model_copy(update=change)})
        stream = ListStream()
        bundle, curves, metrics = train_classifier(own, run, colors, stream, NoCheckpoints())
        assert is_skipped(bundle) and because in bundle.config["because"] and metrics == {}
        assert list(curves.columns) == ["images_seen", "seconds"] and stream.rows == []
        assert measure_classes(own, run, colors, bundle, NoCheckpoints(), *[None] * 7) == {}


class TestClassMetrics:
    @pytest.fixture(scope="class")
    def metrics(self, classifier, colors, parameters, run):
        return measure(PATHS, colors, classifier, parameters, run)

    def test_agreement_with_the_captions_class(self, metrics):
        assert metrics["text"]["champion"]["class_agreement"] > 0.8
        assert metrics["text"]["vae"] == {"class_agreement": pytest.approx(0, abs=0.2)}
        assert set(metrics["by_class"]) == {"real", "champion", "vae"}
        assert set(metrics["by_class"]["champion"]) == set(CLASSES)
        assert metrics["n_drawn"] == 24 and metrics["n_test"] == 30

    def test_what_a_classifier_learns_from_images_of_the_champion(
        self, metrics, classifier, colors, parameters, run
    ):
        assert metrics["text"]["champion"]["cas"] > 0.7
        wrong_classes = measure({"champion": wrong}, colors, classifier, parameters, run)
        assert wrong_classes["text"]["champion"]["cas"] < 0.5

    def test_baselines(self, metrics):
        baseline = metrics["baseline"]
        assert baseline["real"]["cas"] == baseline["real"]["class_agreement"] > 0.8
        assert baseline["shuffled"] == {"class_agreement": pytest.approx(1 / 3), "cas": pytest.approx(1 / 3)}

    def test_the_champion_draws_the_training_captions_and_the_classifiers_training_is_the_same(
        self, classifier, colors, parameters, run, monkeypatch
    ):
        trainings, drawn = [], []

        def record(job, *rest):
            trainings.append(job)
            raise KeyboardInterrupt

        def draw(captions):
            drawn.append(captions)
            return good(captions)

        monkeypatch.setattr(class_agreement, "run_training", record)
        with pytest.raises(KeyboardInterrupt):
            measure({"champion": draw}, colors, classifier, parameters, run)
        training = trainings[0].training
        assert training.num_images == parameters.classifier.training.num_images
        assert training.num_validations == 1 and not training.keep_best
        train_captions = labeled_images(colors.train, list(CLASSES)).captions
        assert len(drawn[1]) == 40 and set(drawn[1]) <= set(train_captions)

    def test_an_interrupted_training_goes_on_and_gives_the_same_metrics(
        self, metrics, classifier, colors, parameters, run
    ):
        class Interrupting(MemoryCheckpoints):
            def save(self, tensors, meta):
                super().save(tensors, meta)
                raise KeyboardInterrupt

        own = parameters.classifier.training.model_copy(update={"checkpoint_seconds": 0.0})
        own = parameters.model_copy(
            update={"classifier": parameters.classifier.model_copy(update={"training": own})}
        )
        store = Interrupting()
        with pytest.raises(KeyboardInterrupt):
            measure(PATHS, colors, classifier, own, run, store)
        rest = MemoryCheckpoints()
        rest.kept = store.kept
        assert measure(PATHS, colors, classifier, own, run, rest) == metrics
        assert rest.kept is None

    def test_without_cas_drawn_there_is_no_cas(self, classifier, colors, parameters, run):
        own = parameters.classifier.model_copy(update={"cas_drawn": None})
        own = parameters.model_copy(update={"classifier": own})
        metrics = measure(PATHS, colors, classifier, own, run)
        assert set(metrics["text"]["champion"]) == set(metrics["baseline"]["real"]) == {"class_agreement"}

    def test_without_a_single_caption_only_real_images_are_measured(
        self, classifier, colors, parameters, run
    ):
        table = colors.test.captions.assign(caption=None)
        test = Split(colors.test.images, table)
        silent = ImageSplits(colors.train, colors.val, test, colors.pairs, colors.summary)
        metrics = measure(PATHS, silent, classifier, parameters, run)
        assert metrics["text"] == {} and metrics["n_drawn"] == 0
        assert set(metrics["baseline"]["real"]) == {"class_agreement"}


def test_small_ones_and_untested_ones_do_not_count(colors):
    assert find_classes(colors, 16) == list(CLASSES)
    assert find_classes(colors, 17) == []
    untested = colors.test.captions.assign(label=["red", "blue"] * 15)
    test = Split(colors.test.images, untested)
    assert find_classes(ImageSplits(colors.train, colors.val, test, colors.pairs), 2) == ["blue", "red"]


def test_one_class_is_none(colors):
    train = Split(colors.train.images, colors.train.captions.assign(label="red"))
    assert find_classes(ImageSplits(train, colors.val, colors.test, colors.pairs), 2) == []


def test_images_of_other_classes_and_without_any_are_left_out(colors):
    table = colors.test.captions.copy()
    table.loc[0, "label"], table.loc[1, "label"] = None, "other"
    table.loc[2, ["caption", "withheld_caption"]] = None, "a withheld one"
    table.loc[3, "caption"] = None
    chosen = labeled_images(Split(colors.test.images, table), list(CLASSES))
    assert len(chosen) == 28
    assert chosen.captions[:3] == ["a withheld one", "", "a green picture"]
    assert chosen.labels[:3].tolist() == [2, 0, 1]
    np.testing.assert_array_equal(chosen.images[np.array([0])][0], colors.test.images[2])


def test_the_digest_is_of_images_and_classes(colors):
    whole = labeled_images(colors.test, list(CLASSES))
    assert whole.digest() == labeled_images(colors.test, list(CLASSES)).digest()
    assert whole.digest() != whole.select(np.arange(29)).digest()
    assert whole.digest() != labeled_images(colors.test, list(CLASSES[::-1])).digest()

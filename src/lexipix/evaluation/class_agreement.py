"""Class agreement and classification accuracy score (CAS), for images that have classes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from lexipix.config.evaluation import ClassifierParameters, EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.data.images import Images, Subset, evenly_spaced
from lexipix.engines.base import Engine
from lexipix.engines.local import LOCAL
from lexipix.evaluation.evaluated_images import reference_captions
from lexipix.evaluation.text_paths import DrawCaptions
from lexipix.models.classifier import Classifier
from lexipix.training.builders.common import TrainingJob, TrainingSetup, run_training
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.classifier import ClassifierTask, Numbers, classify
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import skipped, untrained
from lexipix.utils.types import (
    CheckpointStore,
    ImageSplits,
    MetricStream,
    ModelBundle,
    NullMetricStream,
    Split,
)

KEY = "evaluation.classifier"


@dataclass(frozen=True)
class LabeledImages:
    """Images with the indices of their classes.

    Attributes:
        images: uint8 (N, S, S, 3), read on access.
        labels: int64 (N,), indices into the list of classes.
        captions: N true captions; empty for an image without one.
        classes: Names of the classes.
    """

    images: Images
    labels: Numbers
    captions: list[str]
    classes: list[str]

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, indices: NDArray[np.int64]) -> "LabeledImages":
        """Returns the images of the given indices."""
        captions = [self.captions[i] for i in indices]
        return LabeledImages(Subset(self.images, indices), self.labels[indices], captions, self.classes)

    def digest(self) -> str:
        """Returns a SHA-256 of images and labels."""
        images = self.images[np.arange(len(self))]
        return hashlib.sha256(self.labels.tobytes() + images.tobytes()).hexdigest()


def find_classes(image_splits: ImageSplits, min_images: int) -> list[str]:
    """Returns the names of the classes that count, sorted; empty if there are fewer than two.

    A class must have ``min_images`` training images and a test image.
    """
    counts = image_splits.train.captions["label"].dropna().value_counts()
    tested = set(image_splits.test.captions["label"].dropna())
    names = sorted(str(name) for name, count in counts.items() if count >= min_images and name in tested)
    return names if len(names) > 1 else []


def labeled_images(split: Split, classes: list[str]) -> LabeledImages:
    """Returns the images of a split that belong to one of the classes."""
    index_of = {name: index for index, name in enumerate(classes)}
    labels = split.captions["label"].map(index_of).to_numpy(float)  # NaN for other classes
    indices = np.flatnonzero(np.isfinite(labels))
    captions = [text or "" for text in reference_captions(split.captions.iloc[indices])]
    return LabeledImages(Subset(split.images, indices), labels[indices].astype(np.int64), captions, classes)


def train_real_classifier(
    parameters: ClassifierParameters,
    run: RunParameters,
    image_splits: ImageSplits,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Trains the classifier on the real images of the training split.

    Returns:
        The classifier, its curves and its metrics; a skipped model if the images have no classes or
        ``n_drawn`` is null.
    """
    if parameters.n_drawn is None:
        return skipped("evaluation.classifier.n_drawn is null"), *untrained()
    classes = find_classes(image_splits, parameters.min_images)
    if not classes:
        wanted = f"evaluation.classifier.min_images = {parameters.min_images}"
        return skipped(f"fewer than two classes have {wanted} and a test image"), *untrained()
    images, validation = (labeled_images(split, classes) for split in (image_splits.train, image_splits.val))
    build = partial(_build_classifier, images, validation, parameters, run)
    job = TrainingJob("classifier", KEY, build, parameters.training, run, image_splits.digest)
    return run_training(job, stream, checkpoints, engine)[:3]


def class_metrics(
    paths: Mapping[str, DrawCaptions],
    image_splits: ImageSplits,
    classifier: ModelBundle,
    evaluation: EvaluationParameters,
    run: RunParameters,
    checkpoints: CheckpointStore,
    engine: Engine = LOCAL,
) -> dict[str, Any]:
    """Measures images drawn from the true captions of the test split by their class.

    A model can be good at either one of two metrics alone. ``class_agreement`` is the share of images that
    the classifier assigns to their caption's class; one image per class would be enough. ``cas`` (Ravuri and
    Vinyals 2019, arXiv 1905.10887) needs varied images. It is the accuracy on real test images of a second
    classifier, which is trained like the first, but on images that the champion drew from the captions of the
    training split. The precision is the first classifier's.

    Returns:
        ``text``: by path ``class_agreement`` and, for the champion and unless ``cas_drawn`` is null, ``cas``.
        ``baseline``: ``real`` (real test images) and ``shuffled`` (expected for shuffled captions; for
        ``cas``, the most frequent class always). ``by_class``: by path and class, the agreement. ``n_drawn``,
        ``n_test``.
    """
    precision = str(classifier.card["metrics"]["precision"]).rpartition("/")[2]
    run = run.model_copy(update={"precision": precision})
    parameters, classes = evaluation.classifier, list(classifier.config["classes"])
    test = labeled_images(image_splits.test, classes)
    prompts = _captioned(test, parameters.n_drawn)
    predicted = classify(classifier, test.images, run, evaluation.batch_size)
    shares, predicted_shares = (
        np.bincount(labels, minlength=len(classes)) / len(labels) for labels in (test.labels, predicted)
    )
    real = {"class_agreement": float((predicted == test.labels).mean())}
    shuffled = {"class_agreement": float(shares @ predicted_shares)}
    by_class = {"real": _agreement_by_class(predicted, test)}
    text: dict[str, dict[str, float]] = {}
    if len(prompts):
        for path, draw in paths.items():
            predicted = classify(classifier, draw(prompts.captions), run, evaluation.batch_size)
            text[path] = {"class_agreement": float((predicted == prompts.labels).mean())}
            by_class[path] = _agreement_by_class(predicted, prompts)
    if text and parameters.cas_drawn is not None:
        train = _captioned(labeled_images(image_splits.train, classes), parameters.cas_drawn)
        if len(train):
            images = LabeledImages(paths["champion"](train.captions), train.labels, train.captions, classes)
            text["champion"]["cas"] = _accuracy_score(images, test, evaluation, run, checkpoints, engine)
            real["cas"], shuffled["cas"] = real["class_agreement"], float(shares.max())
    return {
        "text": text,
        "baseline": {"real": real, "shuffled": shuffled},
        "by_class": by_class,
        "n_drawn": len(prompts),
        "n_test": len(test),
    }


def _captioned(images: LabeledImages, limit: int | None) -> LabeledImages:
    """Returns the images with a caption, at most ``limit`` (None: all) of them, evenly spaced."""
    captioned = np.flatnonzero([bool(caption) for caption in images.captions])
    return images.select(captioned[evenly_spaced(len(captioned), limit)])


def _accuracy_score(
    images: LabeledImages,
    test: LabeledImages,
    evaluation: EvaluationParameters,
    run: RunParameters,
    checkpoints: CheckpointStore,
    engine: Engine,
) -> float:
    """Accuracy on real test images of a classifier that is trained on the given images alone.

    Its last weights are used: a choice among weights by real images would let these take part.
    """
    changes = {"num_validations": 1, "keep_best": False, "patience": 0}
    training = evaluation.classifier.training.model_copy(update=changes)
    parameters = evaluation.classifier.model_copy(update={"training": training})
    build = partial(_build_classifier, images, images, parameters, run)
    job = TrainingJob("cas", KEY, build, training, run, images.digest())
    bundle, *_ = run_training(job, NullMetricStream(), checkpoints, engine)
    answers = classify(bundle, test.images, run, evaluation.batch_size)
    return float((answers == test.labels).mean())


def _agreement_by_class(predicted: Numbers, images: LabeledImages) -> dict[str, float]:
    names = np.array(images.classes)[images.labels]
    shares = pd.Series(predicted == images.labels).groupby(names).mean()
    return {str(name): float(share) for name, share in shares.items()}


def _build_classifier(
    images: LabeledImages,
    validation: LabeledImages,
    parameters: ClassifierParameters,
    run: RunParameters,
) -> TrainingSetup:
    """Returns a classifier and its training; without validation images, training images validate it."""
    network = {
        "width": parameters.width,
        "n_classes": len(images.classes),
        "image_channels": int(images.images[np.arange(1)].shape[-1]),
    }
    with seeded(run.seed):
        module = Classifier(**network)
    validation = validation if len(validation) else images
    task = ClassifierTask(
        module,
        images.images,
        images.labels,
        (validation.images, validation.labels),
        parameters,
        resolve_device(run),
    )
    bundle = {"classes": images.classes, "flip": parameters.flip}
    return TrainingSetup(task, module, network, parameters, bundle=bundle)

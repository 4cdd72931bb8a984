"""Class agreement and classification accuracy score, for images that have classes.

The classifier is the second evaluator and is trained on real images only. Two metrics, because a model can be
good at either one alone. ``class_agreement``: the share of images drawn from a caption that the classifier
assigns to the caption's class; one image per class would be enough. ``cas``, classification accuracy score
(Ravuri and Vinyals 2019, arXiv 1905.10887): the accuracy on real images of a classifier trained on drawn
images alone, which needs varied images.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from lexipix.config.evaluation import ClassifierParameters, EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation.evaluated_images import evenly_spaced
from lexipix.evaluation.labeled_images import LabeledImages, find_classes, labeled_images
from lexipix.evaluation.text_paths import DrawCaptions
from lexipix.models.classifier import Classifier
from lexipix.training.bundles import fingerprint, to_bundle
from lexipix.training.checkpoint_sequence import CheckpointSequence
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingResult
from lexipix.training.tasks.classifier import MAX_VALIDATION, ClassifierTask, Numbers, classify
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import skipped, untrained
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle, NullMetricStream


@dataclass(frozen=True)
class TrainingOutputs:
    """Where a training reports and resumes.

    Attributes:
        name: Of the training.
        data_digest: Of its images.
        stream: Takes live metrics.
        checkpoints: For resuming.
    """

    name: str
    data_digest: str
    stream: MetricStream
    checkpoints: CheckpointStore


def train_real_classifier(
    parameters: ClassifierParameters, run: RunParameters, pictures: ImageSplits, outputs: TrainingOutputs
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Trains the classifier on the real images of the training split.

    Returns:
        The classifier, its curves and its metrics; a skipped model if the images have no classes or
        ``n_drawn`` is null.
    """
    if parameters.n_drawn is None:
        return skipped("evaluation.classifier.n_drawn is null"), *untrained()
    classes = find_classes(pictures, parameters.min_images)
    if not classes:
        wanted = f"evaluation.classifier.min_images = {parameters.min_images}"
        return skipped(f"fewer than two classes have {wanted} and a test picture"), *untrained()
    images, validation = (labeled_images(split, classes) for split in (pictures.train, pictures.val))
    bundle, result = _train_classifier(images, validation, classes, parameters, run, outputs)
    return bundle, pd.DataFrame(result.curves), result.metrics


class ClassMetrics:
    """Measures images drawn from the true captions of the test split by their class.

    Args:
        pictures: The data set.
        classifier: As :func:`train_real_classifier` returns it.
        evaluation: Parameters.
        run: Seed and device; the precision is the classifier's.
        checkpoints: Keeps the trainings on drawn images, so that an interrupted step can resume.
    """

    def __init__(
        self,
        pictures: ImageSplits,
        classifier: ModelBundle,
        evaluation: EvaluationParameters,
        run: RunParameters,
        checkpoints: CheckpointSequence,
    ) -> None:
        precision = str(classifier.card["figures"]["precision"]).rpartition("/")[2]
        self._run = run.model_copy(update={"precision": precision})
        self._classifier, self._evaluation, self._checkpoints = classifier, evaluation, checkpoints
        self._parameters = parameters = evaluation.classifier
        self._classes = list(classifier.config["classes"])
        self._train = labeled_images(pictures.train, self._classes)
        self._test = test = labeled_images(pictures.test, self._classes)
        captioned = np.flatnonzero([bool(caption) for caption in test.captions])
        self._prompts = test.select(captioned[evenly_spaced(len(captioned), parameters.n_drawn)])
        # For more images than there are prompts, prompts are drawn again with other noise
        n_prompts = n_cas = len(self._prompts)
        if parameters.cas_images and parameters.cas_drawn and n_prompts:
            n_cas = max(n_prompts, parameters.cas_drawn)
        self._cas_prompts = self._prompts.select(np.arange(n_cas) % max(1, n_prompts))

    def measure(self, paths: Mapping[str, DrawCaptions]) -> dict[str, Any]:
        """Measures text paths, with baselines and ceilings.

        Args:
            paths: See :func:`.text_paths.text_paths`.

        Returns:
            ``text``: by path ``class_agreement`` and, unless ``cas_images`` is null, ``cas``. ``baseline``:
            ``real`` (real test images; for ``cas``, a classifier of as many real training images) and
            ``shuffled`` (expected for shuffled captions; for ``cas``, the most frequent class always).
            ``by_class``: by path and class, the agreement. ``n_drawn``, ``n_test``.
        """
        test, n_classes = self._test, len(self._classes)
        predicted = self._classify(test.images)
        shares, predicted_shares = (
            np.bincount(labels, minlength=n_classes) / len(labels) for labels in (test.labels, predicted)
        )
        real = {"class_agreement": float((predicted == test.labels).mean())}
        shuffled = {"class_agreement": float(shares @ predicted_shares)}
        by_class = {"real": self._by_class(predicted, test.labels)}
        text: dict[str, dict[str, float]] = {}
        if len(self._prompts):
            for path, draw in paths.items():
                text[path], by_class[path] = self._measure_path(path, draw)
            if self._parameters.cas_images:
                order = np.random.default_rng(self._run.seed).permutation(len(self._train))
                as_many = self._train.select(np.sort(order[: len(self._cas_prompts)]))
                real["cas"], shuffled["cas"] = self._cas("real", as_many), float(shares.max())
        return {
            "text": text,
            "baseline": {"real": real, "shuffled": shuffled},
            "by_class": by_class,
            "n_drawn": len(self._prompts),
            "n_test": len(test),
        }

    def _measure_path(self, path: str, draw: DrawCaptions) -> tuple[dict[str, float], dict[str, float]]:
        """Metrics of a path, and its agreement by class."""
        cas_prompts, labels = self._cas_prompts, self._prompts.labels
        drawn = draw(cas_prompts.captions)
        predicted = self._classify(drawn[: len(labels)])
        metrics = {"class_agreement": float((predicted == labels).mean())}
        if self._parameters.cas_images:
            metrics["cas"] = self._cas(path, LabeledImages(drawn, cas_prompts.labels, cas_prompts.captions))
        return metrics, self._by_class(predicted, labels)

    def _cas(self, name: str, images: LabeledImages) -> float:
        """Accuracy on real test images of a classifier that is trained on the given images alone.

        Its last weights are used: a choice among weights by real images would let these take part.
        """
        changes = {"images": self._parameters.cas_images, "reports": 1, "keep_best": False, "patience": 0}
        training = self._parameters.training.model_copy(update=changes)
        parameters = self._parameters.model_copy(update={"training": training})
        digest = fingerprint({"pictures": images.digest()})
        outputs = TrainingOutputs(f"cas_{name}", digest, NullMetricStream(), self._checkpoints)

        def accuracy() -> float:
            validation = images.first(MAX_VALIDATION)
            bundle, _ = _train_classifier(images, validation, self._classes, parameters, self._run, outputs)
            answers = classify(bundle, self._test.images, self._run, self._evaluation.batch_size)
            return float((answers == self._test.labels).mean())

        return self._checkpoints.run_once(fingerprint(name, parameters, self._run, digest), accuracy)

    def _classify(self, images: Any) -> Numbers:
        return classify(self._classifier, images, self._run, self._evaluation.batch_size)

    def _by_class(self, predicted: Numbers, labels: Numbers) -> dict[str, float]:
        return {
            name: float((predicted[labels == index] == index).mean())
            for index, name in enumerate(self._classes)
            if (labels == index).any()
        }


def _train_classifier(
    images: LabeledImages,
    validation: LabeledImages,
    classes: list[str],
    parameters: ClassifierParameters,
    run: RunParameters,
    outputs: TrainingOutputs,
) -> tuple[ModelBundle, TrainingResult]:
    """Trains a classifier; without validation images, training images validate it."""
    network = {"width": parameters.width, "n_classes": len(classes)}
    with seeded(run.seed):
        module = Classifier(**network)
    validation = validation if len(validation) else images.first(MAX_VALIDATION)
    task = ClassifierTask(
        module,
        images.images,
        images.labels,
        (validation.images, validation.labels),
        learning_rate=parameters.training.learning_rate,
        weight_decay=parameters.weight_decay,
        flip=parameters.flip,
        device=resolve_device(run),
    )
    result = train(
        task,
        parameters.training,
        run,
        name=outputs.name,
        key="evaluation.classifier.training",
        fingerprint=fingerprint(outputs.name, parameters, run, outputs.data_digest),
        stream=outputs.stream,
        checkpoints=outputs.checkpoints,
    )
    bundle = to_bundle(
        "classifier",
        module,
        network,
        tokenizer=None,
        max_tokens=None,
        card_parameters=parameters,
        data_digest=outputs.data_digest,
        figures=result.metrics,
        classes=classes,
        flip=parameters.flip,
    )
    return bundle, result

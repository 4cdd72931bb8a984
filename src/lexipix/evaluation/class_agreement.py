"""A second judge, for pictures that have classes: a classifier that was trained on real pictures only.

Two questions, because either alone is fooled. Is a picture drawn from a caption taken for the caption's class
(``class_agreement``; one picture for each class would do)? And does a classifier that has seen nothing but
drawn pictures know real ones (``cas``, classification accuracy score, Ravuri and Vinyals 2019, arXiv
1905.10887; only varied pictures teach that)?
"""

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import pandas as pd

from lexipix.config.evaluation import ClassifierParameters, EvaluationParameters
from lexipix.config.run import RunParameters
from lexipix.evaluation.labeled_images import Classed, classed, classes_of
from lexipix.evaluation.measure import spread
from lexipix.evaluation.paths import Draw, Generators, text_paths
from lexipix.models.build import classifier as build_classifier
from lexipix.training.bundles import fingerprint, to_bundle
from lexipix.training.checkpoint_sequence import CheckpointSequence
from lexipix.training.loop import train
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.base import TrainingResult
from lexipix.training.tasks.classifier import MAX_VALIDATION, ClassifierTask, Numbers, classify
from lexipix.utils.seeding import seeded
from lexipix.utils.skipped_model import is_skipped, skipped, untrained
from lexipix.utils.types import CheckpointStore, ImageSplits, MetricStream, ModelBundle, NullMetricStream


def train_classifier(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    machine_choices: MutableMapping[str, str],
    classifier_stream: MetricStream,
    classifier_checkpoints: CheckpointStore,
) -> tuple[ModelBundle, pd.DataFrame, dict[str, Any]]:
    """Train the classifier on the real pictures of the training split; nothing else is trained with it.

    Returns:
        The classifier, its curves and its figures. It is left out where the pictures have no classes, or
        ``evaluation.classifier.n_drawn`` is null.
    """
    parameters = evaluation.classifier
    if parameters.n_drawn is None:
        return skipped("evaluation.classifier.n_drawn is null"), *untrained()
    classes = classes_of(pictures, parameters.min_pictures)
    if not classes:
        wanted = f"evaluation.classifier.min_pictures = {parameters.min_pictures}"
        return skipped(f"fewer than two classes have {wanted} and a test picture"), *untrained()
    bundle, result = _trained(
        classed(pictures.train, classes),
        classed(pictures.val, classes),
        classes,
        parameters,
        run,
        "classifier",
        pictures.digest,
        classifier_stream,
        classifier_checkpoints,
        machine_choices,
    )
    return bundle, pd.DataFrame(result.curves), result.figures


def judge_classes(
    evaluation: EvaluationParameters,
    run: RunParameters,
    pictures: ImageSplits,
    classifier: ModelBundle,
    classes_checkpoints: CheckpointStore,
    *generators: Any,
) -> dict[str, Any]:
    """Draw from the true captions of the test split by every text path, and judge by class.

    Returns:
        As :func:`judged` gives it; empty where the classifier was left out.
    """
    if is_skipped(classifier):
        return {}
    paths = text_paths(Generators(*generators), run, evaluation.batch_size)
    sequel = CheckpointSequence(classes_checkpoints)
    figures = judged(paths, pictures, classifier, evaluation, run, sequel)
    sequel.close()
    return figures


def judged(
    paths: dict[str, Draw],
    pictures: ImageSplits,
    classifier: ModelBundle,
    evaluation: EvaluationParameters,
    run: RunParameters,
    sequel: CheckpointSequence,
) -> dict[str, Any]:
    """Class agreement and classification accuracy score of text paths, with floors and ceilings.

    Args:
        paths: By name, what draws one picture for each caption.
        pictures: The data set.
        classifier: As :func:`train_classifier` gives it.
        evaluation: Parameters.
        run: Seed and device; the precision is the classifier's.
        sequel: Keeps the trainings on drawn pictures, for an interrupted step to go on.

    Returns:
        ``text`` (by path ``class_agreement`` and, where asked for, ``cas``); ``baseline``: ``real`` (the real
        test pictures themselves, and as many real training pictures to learn from) and ``shuffled``, what is
        reached with captions dealt out anew (``cas``: by naming the most frequent class always);
        ``by_class`` (by path and class, the agreement); ``n_drawn``, ``n_test``.
    """
    classes, parameters = list(classifier.config["classes"]), evaluation.classifier
    precision = str(classifier.card["figures"]["precision"]).rpartition("/")[2]
    run = run.model_copy(update={"precision": precision})
    test = classed(pictures.test, classes)
    told = np.flatnonzero([bool(caption) for caption in test.captions])
    asked = test.some(told[spread(len(told), parameters.n_drawn)])
    # Drawn again from the same captions, each with other noise, where a classifier is to learn from more
    n_lessons = len(asked)
    if parameters.cas_images and parameters.cas_drawn and n_lessons:
        n_lessons = max(n_lessons, parameters.cas_drawn)
    lessons = asked.some(np.arange(n_lessons) % max(1, len(asked)))
    answers = classify(classifier, test.images, run, evaluation.batch_size)
    shares, answered = (
        np.bincount(some, minlength=len(classes)) / len(some) for some in (test.numbers, answers)
    )
    real = {"class_agreement": float((answers == test.numbers).mean())}
    shuffled = {"class_agreement": float(shares @ answered)}
    by_class = {"real": _by_class(answers, test.numbers, classes)}
    text: dict[str, dict[str, float]] = {}

    def score(name: str, learned: Classed) -> float:
        return _cas(name, learned, test, classes, evaluation, run, sequel)

    for path, draw in paths.items():
        if not len(lessons):
            break
        drawn = draw(lessons.captions)
        named = classify(classifier, drawn[: len(asked)], run, evaluation.batch_size)
        text[path] = {"class_agreement": float((named == asked.numbers).mean())}
        by_class[path] = _by_class(named, asked.numbers, classes)
        if parameters.cas_images:
            text[path]["cas"] = score(path, Classed(drawn, lessons.numbers, lessons.captions))
    if parameters.cas_images and len(asked):
        train_pictures = classed(pictures.train, classes)
        order = np.random.default_rng(run.seed).permutation(len(train_pictures))
        real["cas"] = score("real", train_pictures.some(np.sort(order[: len(lessons)])))
        shuffled["cas"] = float(shares.max())
    return {
        "text": text,
        "baseline": {"real": real, "shuffled": shuffled},
        "by_class": by_class,
        "n_drawn": len(asked),
        "n_test": len(test),
    }


def _cas(
    name: str,
    learned: Classed,
    test: Classed,
    classes: list[str],
    evaluation: EvaluationParameters,
    run: RunParameters,
    sequel: CheckpointSequence,
) -> float:
    """Accuracy on real test pictures of a classifier that learned from the given ones alone.

    Its last weights count: choosing among them by real pictures would let these take part.
    """
    parameters = evaluation.classifier
    changes = {"images": parameters.cas_images, "reports": 1, "keep_best": False, "patience": 0}
    training = parameters.training.model_copy(update=changes)
    short = parameters.model_copy(update={"training": training})
    content = fingerprint({"pictures": learned.digest()})

    def accuracy() -> float:
        held = learned.some(np.arange(min(len(learned), MAX_VALIDATION)))
        bundle, _ = _trained(
            learned, held, classes, short, run, f"cas_{name}", content, NullMetricStream(), sequel
        )
        answers = classify(bundle, test.images, run, evaluation.batch_size)
        return float((answers == test.numbers).mean())

    return sequel.once(fingerprint(name, short, run, content), accuracy)


def _trained(
    learned: Classed,
    validation: Classed,
    classes: list[str],
    parameters: ClassifierParameters,
    run: RunParameters,
    name: str,
    data_digest: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    choices: MutableMapping[str, str] | None = None,
) -> tuple[ModelBundle, TrainingResult]:
    network = {"width": parameters.width, "n_classes": len(classes)}
    with seeded(run.seed):
        module = build_classifier(network)
    if not len(validation):  # a small folder's
        validation = learned.some(np.arange(min(len(learned), MAX_VALIDATION)))
    task = ClassifierTask(
        module,
        learned.images,
        learned.numbers,
        (validation.images, validation.numbers),
        learning_rate=parameters.training.learning_rate,
        weight_decay=parameters.weight_decay,
        flip=parameters.flip,
        device=resolve_device(run),
    )
    result = train(
        task,
        parameters.training,
        run,
        name=name,
        fingerprint=fingerprint(name, parameters, run, data_digest),
        stream=stream,
        checkpoints=checkpoints,
        choices=choices,
    )
    bundle = to_bundle(
        "classifier",
        module,
        network,
        tokenizer=None,
        max_tokens=None,
        card_parameters=parameters,
        data_digest=data_digest,
        figures=result.figures,
        classes=classes,
        flip=parameters.flip,
    )
    return bundle, result


def _by_class(answers: Numbers, numbers: Numbers, classes: list[str]) -> dict[str, float]:
    return {
        name: float((answers[numbers == place] == place).mean())
        for place, name in enumerate(classes)
        if (numbers == place).any()
    }

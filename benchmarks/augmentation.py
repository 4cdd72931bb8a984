"""A classifier from few real CIFAR-10 pictures: alone, with usual augmentation, and with drawn pictures.

    python benchmarks/augmentation.py --data cifar-10-batches-py [--sizes 100 500 2000 10000] [--seeds 3]

All trainings are short by default, so that it can be tried; `--training-share 1 --images 240000` are the
lengths of the environment. Every row is kept in augmentation_rows.json as soon as it is finished, and every
generator in `--work`: the same command continues after an interruption.

Each seed has other real pictures, as many of each class, and seeds all trainings. The generator is the GAN of
the environment, trained on these pictures alone, with all stages before it; 20 test pictures validate it. It
draws new pictures from the captions of the real ones. "All 50,000" is the generator of the environment
`--all`, if it is trained. That is no fair comparison: it has seen pictures that the classifier is not given.
Usual augmentation is shifts of up to 2 pixels and mirroring. With drawn pictures half of what a classifier
sees is real. All classifiers see as many pictures, and are measured on the 10,000 test pictures.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from record import REPOSITORY, Row, options, save
from stage_training import NoCheckpoints
from torch import Tensor

from lexipix.cli.project_context import ProjectContext
from lexipix.config.evaluation import ClassifierParameters
from lexipix.config.run import RunParameters
from lexipix.datasets.sources.cifar10 import CLASSES, open_cifar10
from lexipix.engines.local import LOCAL
from lexipix.evaluation.class_agreement import LabeledImages
from lexipix.evaluation.text_paths import draw_captions
from lexipix.models.classifier import Classifier
from lexipix.training.builders.common import TrainingJob, TrainingSetup, run_training
from lexipix.training.precision import resolve_device
from lexipix.training.tasks.classifier import ClassifierTask, classify
from lexipix.utils.atomic import replace_file
from lexipix.utils.png import encode_png
from lexipix.utils.seeding import seeded
from lexipix.utils.types import NullMetricStream, SourceImage

BATCH = 250
STAGES = "ingestion,features,captioner,generator"
N_HELD_OUT = 20  # test pictures each for val and test in a generator's folder; no weights learn from them
# What the generator of drawn pictures was trained on
NONE, OWN, ALL = "none", "the same pictures", "all 50,000"


class UnaugmentedTask(ClassifierTask):
    """Trains on the pictures as they are."""

    def augment(self, images: Tensor) -> Tensor:
        """Return the images themselves."""
        return images


def read_cifar10(path: Path, context: ProjectContext) -> tuple[LabeledImages, LabeledImages]:
    """Training and test pictures."""
    found: dict[str, list[SourceImage]] = {"train": [], "test": []}
    for one in open_cifar10(path, context.parameters.ingestion).read():
        assert isinstance(one, SourceImage) and one.split is not None
        found[one.split].append(one)
    train, test = (
        LabeledImages(
            np.stack([one.image for one in some]),
            np.array([CLASSES.index(str(one.label)) for one in some]),
            [str(one.caption) for one in some],
            list(CLASSES),
        )
        for some in found.values()
    )
    return train, test


def pixels_of(some: LabeledImages) -> NDArray[np.uint8]:
    """The images, (N, S, S, 3)."""
    return np.asarray(some.images[np.arange(len(some))])


def balanced_rows(labels: NDArray[np.int64], n: int, seed: int) -> NDArray[np.int64]:
    """Rows of n random pictures, as many of each class; fewer are among those of more under the same seed."""
    order = np.random.default_rng(seed).permutation(len(labels))
    ranks = np.empty(len(labels), np.int64)  # of each picture among those of its class, in this order
    for label in np.unique(labels):
        own = order[labels[order] == label]
        ranks[own] = np.arange(len(own))
    return np.sort(np.lexsort((labels, ranks))[:n])


def write_folder(folder: Path, **splits: LabeledImages) -> None:
    """Write pictures and captions as a folder with its own splits."""
    for name, some in splits.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        lines, pixels = [], pixels_of(some)
        for row, caption in enumerate(some.captions):
            (folder / name / f"{row:05}.png").write_bytes(encode_png(pixels[row]))
            lines.append(json.dumps({"file_name": f"{row:05}.png", "text": caption}) + "\n")
        (folder / name / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


def train_generator(project: Path, env: str, params: Mapping[str, Any]) -> None:
    """Run the stages up to the generator in a project of its own; it goes on where it was interrupted.

    Raises:
        SystemExit: The run failed.
    """
    shutil.copytree(REPOSITORY / "conf", project / "conf", ignore=lambda *_: {"local"}, dirs_exist_ok=True)
    for name in ("conf/local", "src"):
        (project / name).mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "pyproject.toml", project)
    given = ",".join(f"{key}={value}" for key, value in params.items())
    command = ["run", "--env", env, "--pipelines", STAGES, "--only-missing-outputs", "--params", given]
    answer = subprocess.run(
        [sys.executable, "-m", "kedro", *command],
        cwd=project, capture_output=True, text=True, check=False,
        env=os.environ | {"LEXIPIX_MLFLOW": "0", "PYTHONPATH": str(REPOSITORY / "src")},
    )  # fmt: skip
    if answer.returncode:
        raise SystemExit(f"kedro {' '.join(command)} failed in {project}:\n{answer.stdout}{answer.stderr}")


def drawn_by(context: ProjectContext, real: LabeledImages, n_drawn: int, seed: int) -> LabeledImages:
    """Pictures that a trained GAN draws from the captions of real ones, in turn."""
    wanted = real.select(np.arange(n_drawn) % len(real))
    run = context.parameters.run.model_copy(update={"seed": seed})
    images = draw_captions(context.load("gan"), wanted.captions, run, BATCH)
    return LabeledImages(images, wanted.labels, wanted.captions, wanted.classes)


class Case:
    """Some real pictures, and pictures that generators draw from their captions; drawn once, when asked for.

    Args:
        real: The real pictures.
        contexts: Source of drawn pictures -> loads the project with its generator.
        n_drawn: Drawn pictures.
        seed: Of their noise.
    """

    def __init__(
        self,
        real: LabeledImages,
        contexts: Mapping[str, Callable[[], ProjectContext]],
        n_drawn: int,
        seed: int,
    ) -> None:
        self.real, self._contexts, self._n_drawn, self._seed = real, contexts, n_drawn, seed
        self._drawn: dict[str, LabeledImages] = {}

    def drawn(self, source: str) -> LabeledImages | None:
        """Return the pictures of a source; None for the source that draws none."""
        if source == NONE:
            return None
        if source not in self._drawn:
            context = self._contexts[source]()
            self._drawn[source] = drawn_by(context, self.real, self._n_drawn, self._seed)
        return self._drawn[source]


def accuracy(
    case: Case,
    source: str,
    augmented: bool,
    test: LabeledImages,
    parameters: ClassifierParameters,
    run: RunParameters,
) -> float:
    """The share of test pictures that a new classifier assigns to their class."""
    real, drawn = case.real, case.drawn(source)
    n_images = max(len(real), parameters.training.batch_size, len(drawn) if drawn else 0)
    images, labels = (np.resize(part, (n_images, *part.shape[1:])) for part in (pixels_of(real), real.labels))
    if drawn:
        rows = np.arange(n_images) % len(drawn)
        images = np.concatenate([images, pixels_of(drawn)[rows]])
        labels = np.concatenate([labels, drawn.labels[rows]])
    parameters = parameters.model_copy(update={"flip": augmented})
    network = {"width": parameters.width, "n_classes": len(CLASSES), "image_channels": images.shape[-1]}
    with seeded(run.seed):
        module = Classifier(**network)
    kind = ClassifierTask if augmented else UnaugmentedTask
    task = kind(module, images, labels, (images, labels), parameters, resolve_device(run))
    # No classifier averages its answers over an image and its mirror image
    setup = TrainingSetup(task, module, network, parameters, bundle={"classes": CLASSES, "flip": False})
    checkpoints, stream = NoCheckpoints(), NullMetricStream()
    job = TrainingJob("classifier", "evaluation.classifier", lambda: setup, parameters.training, run, "")
    bundle, *_ = run_training(job, stream, checkpoints, LOCAL)
    return float((classify(bundle, test.images, run, BATCH) == test.labels).mean())


class FinishedRows:
    """Rows in a JSON file that is written after each of them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[Row] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []

    def once(self, key: Row, measure: Callable[[], float]) -> float:
        """Return the accuracy of a row, which is measured unless a row has this key."""
        for row in self.rows:
            if row["key"] == key:
                return float(row["accuracy"])
        self.rows.append({"key": key, "accuracy": measure()})
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with replace_file(self.path) as temporary:
            temporary.write_text(json.dumps(self.rows, indent=2) + "\n", encoding="utf-8")
        return float(self.rows[-1]["accuracy"])


def summarized(accuracies: Mapping[tuple[int, str, bool], Sequence[float]]) -> list[Row]:
    """Return a row for each number of pictures and way to train, with means over seeds."""
    rows = []
    for (n, source, augmented), values in accuracies.items():
        best = max(statistics.mean(some) for (number, *_), some in accuracies.items() if number == n)
        rows.append(
            {
                "real pictures": n,
                "drawn by a generator of": source,
                "usual augmentation": "yes" if augmented else "no",
                "accuracy": statistics.mean(values),
                "from": min(values),
                "to": max(values),
                "best": "best" if statistics.mean(values) == best else "",
            }
        )
    return rows


def generator_of(
    real: LabeledImages, test: LabeledImages, project: Path, env: str, params: Mapping[str, Any]
) -> ProjectContext:
    """Return the project of a generator that is trained on these pictures, if it is not yet."""
    val, held_out = (test.select(rows) for rows in np.arange(2 * N_HELD_OUT).reshape(2, -1))
    write_folder(project / "pictures", train=real, val=val, test=held_out)
    source = {"kind": "folder", "path": "pictures"}
    given = {f"ingestion.source.{key}": value for key, value in source.items()}
    train_generator(project, env, {**given, "generator.tokens.enabled": "false", **params})
    return ProjectContext(project, env)


def compare(
    arguments: argparse.Namespace, settings: Row, finished: FinishedRows
) -> dict[tuple[int, str, bool], list[float]]:
    """Return the accuracies of all seeds by number of pictures, source of drawn ones, and augmentation."""
    context, whole = (ProjectContext(REPOSITORY, env) for env in (arguments.env, arguments.all))
    path = arguments.data or REPOSITORY / str(context.parameters.ingestion.source.path)
    train, test = read_cifar10(path, context)
    sources = [NONE, OWN, ALL]
    if not whole.path("gan").is_dir():
        sources.remove(ALL)
        print(f"No generator of all pictures takes part: there is no {whole.path('gan')}.", file=sys.stderr)
    length = {"num_images": arguments.images, "num_validations": 1, "keep_best": False, "patience": 0}
    classifier = context.parameters.evaluation.classifier
    classifier = classifier.model_copy(update={"training": classifier.training.model_copy(update=length)})
    accuracies: dict[tuple[int, str, bool], list[float]] = {}
    for n, seed in product(arguments.sizes, range(arguments.seeds)):
        real = train.select(balanced_rows(train.labels, n, seed))
        project = arguments.work / f"{arguments.env}-{arguments.training_share:g}-{n}-{seed}"
        params = {"run.seed": seed, "run.training_share": arguments.training_share}
        own = partial(generator_of, real, test, project, arguments.env, params)
        case = Case(real, {OWN: own, ALL: lambda: whole}, arguments.drawn, seed)
        run = context.parameters.run.model_copy(update={"seed": seed, "training_share": 1.0})
        for source, augmented in product(sources, (False, True)):
            key = {"n": n, "seed": seed, "source": source, "augmented": augmented, **settings}
            value = finished.once(key, partial(accuracy, case, source, augmented, test, classifier, run))
            print({**key, "accuracy": value}, file=sys.stderr, flush=True)
            accuracies.setdefault((n, source, augmented), []).append(value)
    return accuracies


def main() -> None:
    """Print the table and the path of its file."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--data", type=Path, help="CIFAR-10 [default: ingestion.source.path of the environment]")
    add("--env", default="cifar10", help="environment of all networks [default: cifar10]")
    add("--all", default="cifar10", help="environment of the generator of all pictures [default: cifar10]")
    add("--sizes", type=int, nargs="+", default=[100, 500, 2000, 10000], help="numbers of real pictures")
    add("--seeds", type=int, default=3, help="number of seeds [default: 3]")
    add("--drawn", type=int, default=10_000, help="drawn pictures [default: 10,000]")
    add("--images", type=int, default=10_000, help="that each classifier sees [default: 10,000]")
    add("--training-share", type=float, default=0.005, help="of the generators' trainings [default: 0.005]")
    add("--work", type=Path, default=REPOSITORY / "data/augmentation", help="folder of the generators")
    arguments = options(parser, dict)
    settings = {name: getattr(arguments, name) for name in ("env", "drawn", "images", "training_share")}
    rows = summarized(compare(arguments, settings, FinishedRows(arguments.out / "augmentation_rows.json")))
    facts = {**settings, "seeds": arguments.seeds}
    page = save("augmentation", rows, facts, arguments.out, (__doc__ or "").split("\n\n")[-1])
    print(page.read_text(encoding="utf-8"))
    print(f"Written to {page} and {page.with_suffix('.json')}; in MLflow under the experiment benchmarks.")


if __name__ == "__main__":
    main()

"""CIFAR-10 (Krizhevsky 2009, https://www.cs.toronto.edu/~kriz/cifar.html), from its archive or folder."""

import re
import sys
from collections.abc import Generator
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lexipix.config.ingestion import Cifar10SourceParameters, IngestionParameters
from lexipix.datasets.sources.cifar10_files import ARCHIVE, BATCHES, FOLDER, SIDE, read_batches
from lexipix.datasets.sources.class_captions import caption_from
from lexipix.datasets.sources.images import to_square
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import OpenedSource, SourceImage, SplitName

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_N_TRAIN, _N_TEST = 50_000, 10_000
_NOUN = re.compile(r"(.+)_s_\d+\.png")


def open_cifar10(path: Path, parameters: IngestionParameters) -> OpenedSource:
    """CIFAR-10 as a source; its batches are checked and read one by one, the test batch first.

    The path is the archive, the folder ``cifar-10-batches-py``, or a folder that contains one of them.

    Raises:
        LexipixError: The path does not exist.
    """
    if not path.exists():
        raise LexipixError(
            f"ingestion.source.path is {path}, which does not exist: download CIFAR-10 with "
            f"`dvc update data/01_raw/{ARCHIVE}.dvc`, or choose your own copy with "
            "--params=ingestion.source.path=FILE_OR_FOLDER."
        )
    path = next((inner for inner in (path / FOLDER, path / ARCHIVE) if inner.exists()), path)
    limit = parameters.source.max_images
    n_images = _N_TRAIN + _N_TEST if limit is None else min(limit, _N_TRAIN) + min(limit, _N_TEST)
    return OpenedSource(partial(_read, path, parameters), frozenset({"test"}), n_images)


def caption_of(file: str, label: str, parameters: Cifar10SourceParameters) -> str:
    """Caption from the class and the noun in a file's name, such as ``ostrich_s_001590.png``.

    >>> templates = {"caption_template": "{a_noun}, {a_class}", "class_template": "{a_class}"}
    >>> caption_of("ostrich_s_001590.png", "bird", Cifar10SourceParameters(**templates))
    'an ostrich, a bird'
    """
    match = _NOUN.fullmatch(file)
    noun = match[1].replace("_", " ") if match else label
    if noun.lower() == label:
        return caption_from(parameters.class_template, **{"class": label})
    return caption_from(parameters.caption_template, noun=noun, **{"class": label})


def _read(
    path: Path, parameters: IngestionParameters, start: int = 0, stop: int = sys.maxsize
) -> Generator[SourceImage, None, None]:
    source, n_read = parameters.source, 0
    for batch in read_batches(path, n_classes=len(CLASSES)):
        split: SplitName = "test" if batch.name == "test_batch" else "train"
        n_images = len(batch.labels)
        if source.max_images is not None:
            # The images are in random order, so the first ones of each batch are a random sample.
            names = [name for name in BATCHES if (name == "test_batch") == (split == "test")]
            position = names.index(batch.name)
            upto, before = (source.max_images * done // len(names) for done in (position + 1, position))
            n_images = min(n_images, upto - before)
        images = batch.pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
        wanted = range(n_images)[max(0, start - n_read) : max(0, stop - n_read)]
        n_read += n_images
        for row in wanted:
            file, label = batch.files[row], CLASSES[batch.labels[row]]
            image = Image.fromarray(np.ascontiguousarray(images[row]))
            yield SourceImage(
                file,
                to_square(image, parameters.size, parameters.resize),
                caption_of(file, label, source.cifar10),
                label=label,
                split=split,
            )

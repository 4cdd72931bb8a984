"""A source with copies of images, some of them with captions of their own, and its store."""

from functools import partial
from itertools import islice

import numpy as np
from tests.support.parameters import section

from lexipix.data.ingestion.stream import ImageStream
from lexipix.datasets.image_store import ImageStoreDataset
from lexipix.utils.types import OpenedSource, Reject, SourceImage

SIZE = 8


def image(number):
    return np.random.default_rng(number).integers(0, 256, (SIZE, SIZE, 3), np.uint8)


def items(n=240):
    """Images, of which every ninth is a copy of one of the first, and some rejects."""
    for number in range(n):
        is_copy = number % 9 == 8
        caption = None if number % 7 == 0 else f"number {number}"
        shown = image(number % 4 if is_copy else number)
        yield SourceImage(f"{number}.png", shown, caption, (f"no. {number}",) if number % 5 == 0 else ())
        if number % 50 == 0:
            yield Reject(f"bad{number}.png", "damaged")


def stream(source=items, captioner=None, **changes):
    parameters = {"image_size": SIZE, "source": {"kind": "folder"}, "max_reject_share": 0.5, **changes}
    opened = OpenedSource(partial(_some, source))
    return ImageStream(opened, section("ingestion", parameters), captioner)


def _some(source, start=0, stop=None):
    yield from islice(source(), start, stop)


def comparable(captions):
    """A table of captions with lists of Python."""
    return captions.assign(paraphrases=list(map(list, captions.paraphrases)))


def saved(folder, source=items, captioner=None, **changes):
    """The store of a source in a folder."""
    store = ImageStoreDataset(filepath=str(folder), made_by="kedro run --pipelines ingestion")
    store.save(stream(source, captioner, **changes))
    return store

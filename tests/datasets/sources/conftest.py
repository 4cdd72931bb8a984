import io

import numpy as np
import pytest
from PIL import Image
from tests.support.parameters import section

from lexipix.datasets.sources.folder import open_folder
from lexipix.utils.types import Reject, SourceImage


@pytest.fixture
def make_picture():
    """Writes a picture whose pixels depend on the seed alone."""

    def make(path, seed=0, size=(16, 16), **save):
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        Image.fromarray(pixels).save(path, **save)
        return path

    return make


@pytest.fixture
def parameters():
    """Parameters for small pictures, changed by keyword."""

    def make(kind="folder", **change):
        source = {"kind": kind} | change.pop("source", {})
        own = {"source": source, "image_size": 16, "min_side": 4, "workers": 2}
        return section("ingestion", own | change)

    return make


@pytest.fixture
def read(tmp_path, parameters):
    """Reads the folder at ``tmp_path``: captions by file, rejects by file."""

    def go(**folder):
        items = list(open_folder(tmp_path, parameters(source={"folder": folder})).read())
        images = [item for item in items if isinstance(item, SourceImage)]
        captions = {item.file: (item.caption, *item.paraphrases) for item in images}
        return captions, {item.file: item.reason for item in items if isinstance(item, Reject)}

    return go


@pytest.fixture
def read_source(tmp_path, parameters):
    """Reads a path below ``tmp_path``: images by file, rejects by file, and the source."""

    def go(path=".", **change):
        source = open_folder(tmp_path / path, parameters(**change))
        items = list(source.read())
        images = {item.file: item for item in items if isinstance(item, SourceImage)}
        rejects = {item.file: item.reason for item in items if isinstance(item, Reject)}
        assert len(images) + len(rejects) == len(items) == source.n_images
        return images, rejects, source

    return go


@pytest.fixture
def png():
    """The bytes of a picture whose pixels depend on the seed alone."""

    def make(seed=0, size=(16, 16)):
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "PNG")
        return file.getvalue()

    return make

"""Files of commands: an image, its text, a list of prompts; and the results."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from lexipix.config.ingestion import IngestionParameters
    from lexipix.inference.onnx_session import OnnxSession

# No prompt is longer; so a wrong file, such as a video, is not read to its end
_MAX_LINE_BYTES = 10_000


def read_image_file(
    path: Path, parameters: "IngestionParameters", model: "OnnxSession", name: str = ""
) -> "NDArray[np.uint8]":
    """An image file as the ingestion reads it, at a model's size; a LexipixError if it cannot be used.

    An error calls it ``name``, by default its path.
    """
    from lexipix.datasets.sources.images import Unusable, read_image
    from lexipix.inference.onnx_session import image_format

    if path.is_dir():
        raise LexipixError(f"{path} is a folder: name the images in it.")
    try:
        return read_image(path, parameters.model_copy(update=image_format(model)))
    except Unusable as error:
        raise LexipixError(f"{name or path} cannot be used as an image: {error}.") from None


def read_masked_image(
    path: Path, mask: Path, parameters: "IngestionParameters", model: "OnnxSession"
) -> "tuple[NDArray[np.uint8], NDArray[np.bool_]]":
    """An image file as :func:`read_image_file` reads it, and which of its pixels a mask file marks: (S, S).

    The mask is as large as the upright image, and white where pixels are marked.
    """
    from lexipix.datasets.sources.images import Unusable, masked_to_square, opened_image
    from lexipix.inference.onnx_session import image_format

    parameters = parameters.model_copy(update=image_format(model))
    opened = []
    for file in (path, mask):
        if file.is_dir():
            raise LexipixError(f"{file} is a folder: name an image in it.")
        try:
            with opened_image(file, parameters) as image:
                opened.append(image)  # decoded: it can be used after its file is closed
        except Unusable as error:
            raise LexipixError(f"{file} cannot be used as an image: {error}.") from None
    try:
        size, resize = parameters.size, parameters.resize
        return masked_to_square(opened[0], opened[1], size, resize, parameters.alpha == "keep")
    except Unusable as error:
        raise LexipixError(f"{path} cannot be restored with the mask {mask}: {error}.") from None


def text_beside(path: Path, parameters: "IngestionParameters") -> tuple[str, str] | None:
    """The first caption in a caption file beside an image, as the ingestion reads it, and the file's name.

    None if there is none or it is blank.
    """
    from lexipix.datasets.sources.caption_files import captions_beside
    from lexipix.datasets.sources.images import Unusable

    try:
        return next(captions_beside(path, parameters.source.folder), None)
    except Unusable as error:
        raise LexipixError(
            f"{path} has a text that cannot be used, {error}: fix it, or use --text."
        ) from None


def read_prompts(path: Path, max_prompts: int) -> list[tuple[int, str]]:
    """The non-blank lines of a file of prompts, with their numbers; a LexipixError if it is no such file."""
    lines = _text(path, max_prompts * _MAX_LINE_BYTES).splitlines()
    prompts = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    if not prompts:
        raise LexipixError(f"The file of prompts {path} is empty: write one prompt per line.")
    return prompts


def require_new(folder: Path) -> None:
    """Check that nothing lies where a command makes a folder, else a LexipixError."""
    from lexipix.utils.project_paths import exists

    if exists(folder) or folder.is_symlink():
        raise LexipixError(f"{folder} exists already: choose another folder with --out, or remove it.")


def save_results(files: dict[str, Any] | Iterable[tuple[str, Any]], folder: Path) -> Path:
    """Write results into a folder, or into an archive if the name ends in .tar; returns the path to show."""
    from lexipix.datasets.results import ARCHIVE, ResultsArchiveDataset, ResultsFolderDataset

    dataset = ResultsArchiveDataset if folder.suffix == ARCHIVE else ResultsFolderDataset
    dataset(filepath=str(folder)).save(files)
    try:  # a short path where the user is inside the project
        return folder.resolve().relative_to(Path.cwd())
    except ValueError:
        return Path(os.path.normpath(folder))


def _text(path: Path, max_bytes: int) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(max_bytes + 1)
    except PermissionError:
        raise LexipixError(f"{path} cannot be read: check the file's permissions.") from None
    if len(content) > max_bytes:
        raise LexipixError(f"{path} is too large for a text: it has more than {max_bytes:,} bytes.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LexipixError(f"{path} is not UTF-8 text (line {line}): save it as UTF-8.") from None

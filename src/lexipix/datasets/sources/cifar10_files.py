"""Reads the files of CIFAR-10, with checks of the archive and an unpickler restricted to arrays."""

import gzip
import hashlib
import io
import pickle
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lexipix.utils.errors import LexipixError

ARCHIVE = "cifar-10-python.tar.gz"
FOLDER = "cifar-10-batches-py"
OFFICIAL_SIZE = 170_498_071
OFFICIAL_MD5 = "c58f30108f718f92721af3b95e74349a"  # from the dataset's page
BATCHES = ("test_batch", *(f"data_batch_{number}" for number in range(1, 6)))
MAX_BATCH_BYTES = 64 * 2**20  # the official batches have 31 MB
SIDE = 32
_AGAIN = f"download it again, for example with `dvc update data/01_raw/{ARCHIVE}.dvc`"


@dataclass(frozen=True)
class Batch:
    """One of the six batches."""

    name: str  # ``test_batch`` or ``data_batch_1`` to ``data_batch_5``
    pixels: NDArray[np.uint8]  # (N, 3072), one image per row: 1024 red, then green, then blue values
    labels: list[int]  # N class numbers
    files: list[str]  # N file names such as ``ostrich_s_001590.png``


def read_batches(path: Path, n_classes: int) -> Iterator[Batch]:
    """The batches one by one, the test batch first; LexipixError if one is missing, cut or altered."""
    contents = {} if path.is_dir() else _read_members(path)
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else set(contents)
    if missing := [name for name in BATCHES if name not in names]:
        raise LexipixError(
            f"ingestion.source.path is {path}, which lacks {', '.join(missing)}: set it to CIFAR-10's python "
            f"archive or the folder {FOLDER} extracted from it, or {_AGAIN}."
        )
    for name in BATCHES:
        where = f"{path} ({name})"
        if path.is_dir():
            _check_size(where, (path / name).stat().st_size)
        content = (path / name).read_bytes() if path.is_dir() else contents.pop(name)
        yield _load_batch(where, name, content, n_classes)


def _check_size(where: str, n_bytes: int) -> None:
    if n_bytes > MAX_BATCH_BYTES:
        raise LexipixError(
            f"{where} has {n_bytes:,} bytes, a batch has {MAX_BATCH_BYTES:,} at most: {_AGAIN}."
        )


def _load_batch(where: str, name: str, content: bytes, n_classes: int) -> Batch:
    try:
        batch = _ArraysOnly(io.BytesIO(content), encoding="bytes").load()
    except LexipixError as error:
        raise LexipixError(f"{where} was altered, {error}: {_AGAIN}.") from None
    except Exception as error:  # a damaged pickle raises many types of errors
        raise LexipixError(f"{where} is damaged ({type(error).__name__}: {error}): {_AGAIN}.") from None
    if not _is_batch(batch, n_classes):
        raise LexipixError(
            f"{where} is not a batch of CIFAR-10, with as many images of {SIDE}x{SIDE} pixels as labels "
            f"from 0 to {n_classes - 1} and file names: {_AGAIN}."
        )
    files = [file.decode("utf-8", "replace") for file in batch[b"filenames"]]
    return Batch(name, batch[b"data"], batch[b"labels"], files)


def _is_batch(batch: Any, n_classes: int) -> bool:
    if not isinstance(batch, dict):
        return False
    pixels, labels, files = (batch.get(key) for key in (b"data", b"labels", b"filenames"))
    return (
        isinstance(labels, list)
        and isinstance(files, list)
        and isinstance(pixels, np.ndarray)
        and pixels.dtype == np.uint8
        and pixels.shape == (len(labels), 3 * SIDE * SIDE)
        and len(labels) == len(files) > 0
        and all(type(label) is int and 0 <= label < n_classes for label in labels)
        and all(isinstance(file, bytes) for file in files)
    )


class _ArraysOnly(pickle.Unpickler):
    """Unpickles only dicts, lists, numbers, byte strings and plain arrays: a pickle can run any code."""

    def find_class(self, module: str, name: str) -> Any:
        allowed: dict[tuple[str, str], Callable[..., Any]] = {
            ("numpy.core.multiarray", "_reconstruct"): _new_array,
            ("numpy._core.multiarray", "_reconstruct"): _new_array,
            ("numpy", "ndarray"): _plain_array,
            ("numpy", "dtype"): np.dtype,
            ("_codecs", "encode"): _encode,
        }
        try:
            return allowed[module, name]
        except KeyError:
            raise LexipixError(f"it needs {module}.{name}, which is not allowed") from None


def _plain_array(*_: Any) -> NoReturn:
    """Takes the place of ``numpy.ndarray``, which a pickle may refer to but not call."""
    raise LexipixError("it creates an array in an unknown way")


def _new_array(kind: object, shape: tuple[int, ...], code: bytes) -> NDArray[Any]:
    """An empty array, like NumPy's ``_reconstruct``; its content follows in the pickle."""
    if kind is not _plain_array or shape != (0,):
        raise LexipixError("it needs an array of an unknown type")
    return np.ndarray.__new__(np.ndarray, (0,), np.uint8)


def _encode(text: str, encoding: str) -> bytes:
    """Bytes of a byte string, in the encoding of old pickles of Python 3."""
    if encoding not in ("latin1", "latin-1"):
        raise LexipixError(f"it needs the encoding {encoding!r}")
    return text.encode("latin1")


def _read_members(path: Path) -> dict[str, bytes]:
    """Contents of all batches, read at once because a gzip stream has no random access."""
    n_bytes = path.stat().st_size
    with path.open("rb") as file:
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        file.seek(0)
        is_gzip = file.read(2) == b"\x1f\x8b"
    if n_bytes == OFFICIAL_SIZE and md5 != OFFICIAL_MD5:  # a repacked archive has another size
        raise LexipixError(f"{path} was altered, its MD5 is {md5} instead of {OFFICIAL_MD5}: {_AGAIN}.")
    contents: dict[str, bytes] = {}
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as stream:
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = member.name.rpartition("/")[2]
                    if name in BATCHES and (extracted := archive.extractfile(member)):
                        _check_size(f"{path} ({name})", member.size)
                        contents[name] = extracted.read()
            while stream.read(2**20):  # at the end, gzip compares its checksum
                pass
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise LexipixError(
            f"{path} is incomplete or damaged ({error}); it has {n_bytes:,} bytes, the official "
            f"archive has {OFFICIAL_SIZE:,}: {_AGAIN}."
        ) from None
    return contents

"""Names of files: which ones mean the same, and which image a metadata file names."""

import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath

from lexipix.datasets.sources.images import suffixes

# Folders that hold the images of a data set, or of a class; their names say nothing about an image.
GENERIC_FOLDERS = frozenset(
    {
        "image",
        "images",
        "img",
        "imgs",
        "pic",
        "pics",
        "picture",
        "pictures",
        "photo",
        "photos",
        "data",
        "dataset",
    }
    | {"datasets", "file", "files", "jpg", "jpeg", "jpegs", "png", "pngs", "webp", "gif"}
)
ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def fold(name: str) -> str:
    """A name without the differences of case and Unicode form, which file systems add or ignore."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def class_name(prefix: str) -> str | None:
    """The class that a folder such as ``images/owl/`` names: its last name that is not a generic one."""
    names = [name for name in prefix.split("/") if name and not _is_generic(fold(name))]
    return names[-1] if names else None


def _is_generic(folded: str) -> bool:
    """Whether the name of a folder, or of an archive that stands for one, says nothing about its images."""
    return folded in GENERIC_FOLDERS or is_archive(folded)


def is_archive(name: str) -> bool:
    """Whether a file of this name is an archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


class ImageNames:
    """The images of a folder by the names that a metadata file can give them.

    ``top`` is a folder "NAME/" that holds all of them and is not part of their names.
    """

    def __init__(self, root: Path, files: Iterable[str], top: str = "") -> None:
        self._top = top
        self._files = dict.fromkeys(files)
        self._roots = [f"{path.as_posix().rstrip('/')}/" for path in (root.absolute(), root.resolve())]
        self._folded = _unique((fold(file), file) for file in self._files)
        self._stems = _unique((fold(posixpath.splitext(file)[0]), file) for file in self._files)
        # A caption file above the folder "images" often leaves that folder out.
        self._short = _unique((_without_generic(fold(file)), file) for file in self._files)

    def __contains__(self, file: str) -> bool:
        return file in self._files

    def find(self, prefix: str, name: str) -> str:
        """The file that the metadata of the folder ``prefix`` means, relative to the root.

        Names can differ in case, Unicode form and kind of slash, be absolute, and lack the suffix or a folder
        such as ``images`` or the archive. Without such an image it is the path as it is written.
        """
        exact, plain = self._normalized(prefix, name), name.strip().replace("\\", "/")
        inner = self._normalized(prefix, plain.removeprefix(self._top))
        for file in dict.fromkeys((exact, self._normalized(prefix, plain), inner)):
            if file in self._files:
                return file
            folded = fold(file)
            if (found := self._folded.get(folded)) is not None:
                return found
            if PurePath(file).suffix.lower() not in suffixes() and folded in self._stems:
                return self._stems[folded]
            if (found := self._short.get(_without_generic(folded))) and fold(found).startswith(fold(prefix)):
                return found
        return exact

    def _normalized(self, prefix: str, name: str) -> str:
        for root in self._roots:
            if name.startswith(root):
                return posixpath.normpath(name.removeprefix(root))
        return posixpath.normpath(prefix + name) if not name.startswith("/") else posixpath.normpath(name)


def _without_generic(file: str) -> str:
    *folders, name = file.split("/")
    return "/".join([*(folder for folder in folders if not _is_generic(folder)), name])


def _unique(pairs: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """The values by their keys, without keys of several values."""
    found: dict[str, list[str]] = defaultdict(list)
    for key, value in pairs:
        found[key].append(value)
    return {key: values[0] for key, values in found.items() if len(values) == 1}

"""Zip archives and tar shards (WebDataset) as trees of files. Nothing is extracted from them."""

import logging
import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lexipix.datasets.sources.file_tree import FileTree, Member, require_small
from lexipix.datasets.sources.folder_layout import is_foreign, is_relevant, layout_of
from lexipix.datasets.sources.images import Unusable
from lexipix.utils.errors import LexipixError
from lexipix.utils.types import Reject

_log = logging.getLogger(__name__)

MAX_MEMBERS = 1_000_000  # of an archive
MAX_RATIO, MAX_UNPACKED = 100, 2**30  # what all members of a zip may have: times its size, or bytes
MAX_HEADER = 2**20  # bytes of a long name in a tar
MAX_INDEX = 2**28  # bytes of a zip's index of its members
_CHUNK = 2**20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others have no limit on what one step unpacks
_MAGICS = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
_EXTENSIONS = (
    tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK,
)  # fmt: skip

Index = tuple[dict[str, Member], list[Reject]]


def open_archive(path: Path, beside: Mapping[str, Path] | None = None) -> FileTree:
    """The tree of one archive; a folder that holds all of it, as of a folder that was zipped, is left out.

    Files ``beside`` the archive, such as its captions, are files of the tree as well, by their names in it.

    Raises:
        LexipixError: It is damaged, encrypted, compressed as a whole, or claims to hold too much.
    """
    members, rejects = read_index(path)
    tops = {name.partition("/")[0] if "/" in name else "" for name in members if not _is_hidden(name)}
    top = f"{tops.pop()}/" if len(tops) == 1 and "" not in tops else ""
    return _tree(path, {name.removeprefix(top): one for name, one in members.items()}, rejects, beside, top)


def open_shards(root: Path, names: Sequence[str], beside: Mapping[str, Path] | None = None) -> FileTree:
    """The tree of several archives in a folder; each is a folder of its own name.

    Raises:
        LexipixError: As for :func:`open_archive`.
    """
    members, rejects = dict[str, Member](), list[Reject]()
    for name in names:
        own, faults = read_index(root / name)
        members |= {f"{name}/{inner}": member for inner, member in own.items()}
        rejects += [Reject(f"{name}/{fault.file}", fault.reason) for fault in faults]
    return _tree(root, members, rejects, beside)


def _tree(
    root: Path,
    members: Mapping[str, Member],
    rejects: Sequence[Reject],
    beside: Mapping[str, Path] | None,
    top: str = "",
) -> FileTree:
    beside = beside or {}
    if twice := sorted(str(path) for name, path in beside.items() if name in members):
        _log.warning(
            "These files are not read, %s holds others of their names: %s.", root, ", ".join(twice[:5])
        )
    files: dict[str, Member | Path] = {**beside, **members}
    layout = layout_of(root, files, rejects)
    return FileTree(root, layout.listings, files, layout.foreign, top)


def read_index(path: Path) -> Index:
    """The members of an archive by their names, and those that cannot be used.

    Raises:
        LexipixError: As for :func:`open_archive`.
    """
    read = _zip_members if path.suffix.lower() == ".zip" else _tar_members
    members, rejects = dict[str, Member](), list[Reject]()
    try:
        for name, member in read(path):
            if len(members) >= MAX_MEMBERS:
                raise _too_many(path)
            reason = member if isinstance(member, str) else _fault(name, members)
            name = posixpath.normpath(name)
            if reason is None and not isinstance(member, str):
                members[name] = member
            elif reason is not None and is_relevant(name):
                rejects.append(Reject(name, reason))
    except LexipixError:
        raise
    except Exception as error:  # the readers of archives raise many types of errors
        if isinstance(error, OSError) and error.errno is not None:
            raise LexipixError(f"{path} cannot be read ({error.strerror}): check the file.") from None
        reason = " ".join(str(error).split()) or type(error).__name__
        raise LexipixError(
            f"{path} is no archive, or damaged ({reason:.300}): make or download it again."
        ) from None
    return members, rejects


def _too_many(path: object) -> LexipixError:
    return LexipixError(f"{path} has more than {MAX_MEMBERS:,} files: divide it into several.")


def _is_hidden(name: str) -> bool:
    return any(part.startswith(".") or is_foreign(part) for part in name.split("/"))


def _fault(name: str, known: Mapping[str, Member]) -> str | None:
    """Why the name of a member cannot be used."""
    if name.startswith("/") or ".." in name.split("/") or name[1:3] == ":/":
        return "its name leads out of the archive"
    return "the archive has another file of this name" if posixpath.normpath(name) in known else None


# Zip


@dataclass(frozen=True)
class _ZipMember:
    archive: zipfile.ZipFile
    info: zipfile.ZipInfo

    def read(self) -> bytes:
        require_small(self.info.file_size)
        try:
            # By pieces: reading all at once unpacks more than the member claims to have
            with self.archive.open(self.info) as file:
                return b"".join(iter(lambda: file.read(_CHUNK), b""))
        except Exception as error:  # the readers of archives raise many types of errors
            raise Unusable(f"damaged in the archive: {' '.join(str(error).split()):.300}") from None


class _Entries(list[zipfile.ZipInfo]):
    """Members of a zip, which are counted while they are read: an archive may claim another number."""

    def __init__(self, path: object) -> None:
        super().__init__()
        self._path = path

    def append(self, entry: zipfile.ZipInfo) -> None:
        if len(self) >= MAX_MEMBERS:
            raise _too_many(self._path)
        super().append(entry)


class _ZipFile(zipfile.ZipFile):
    """A zip whose index memory can hold; zipfile reads one of any size."""

    def _RealGetContents(self) -> None:
        end = zipfile._EndRecData(self.fp)  # type: ignore[attr-defined]
        if end and end[zipfile._ECD_SIZE] > MAX_INDEX:  # type: ignore[attr-defined]
            raise _too_many(self.filename)
        self.filelist = _Entries(self.filename)
        super()._RealGetContents()  # type: ignore[misc]


def _zip_members(path: Path) -> Iterator[tuple[str, Member | str]]:
    archive = _ZipFile(path)
    files = [info for info in archive.infolist() if not info.is_dir()]
    if any(info.flag_bits & 1 for info in files):
        raise LexipixError(
            f"{path} is encrypted: unpack it, and set ingestion.source.path to the folder with its files."
        )
    unpacked, n_bytes = sum(info.file_size for info in files), path.stat().st_size
    if unpacked > max(MAX_UNPACKED, MAX_RATIO * n_bytes):
        raise LexipixError(
            f"{path} has {n_bytes:,} bytes and claims to hold {unpacked:,}, more than {MAX_RATIO} times as "
            "much: if you trust it, unpack it and set ingestion.source.path to the folder with its files."
        )
    for info in files:
        name = _zip_name(info)
        if stat.S_ISLNK(info.external_attr >> 16):
            yield name, "a link in an archive, which is not followed"
        elif info.compress_type not in _METHODS:
            yield name, "packed by a rare method: make the zip archive with the usual one (deflate)"
        else:
            yield name, _ZipMember(archive, info)


def _zip_name(info: zipfile.ZipInfo) -> str:
    """The name of a member; some programs write UTF-8 without saying so, or backslashes."""
    name = info.filename
    if not info.flag_bits & 0x800 and not name.isascii():
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    return name.replace("\\", "/")


# Tar


@dataclass(frozen=True)
class _TarMember:
    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        require_small(self.size)
        try:
            with self.path.open("rb") as file:
                file.seek(self.offset)
                content = file.read(self.size)
        except OSError as error:
            raise Unusable(f"it cannot be read: {error.strerror}") from None
        if len(content) < self.size:
            raise Unusable("damaged or cut short: the archive ends before it")
        return content


class _Header(tarfile.TarInfo):
    """A header that is damaged, or longer than any name, ends the reading; tarfile would skip the rest."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_Header":
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if type(error).__name__ in ("EOFHeaderError", "EmptyHeaderError"):  # how an archive ends
                raise
            raise tarfile.ReadError(f"{error} in the middle") from None
        if header.type in _EXTENSIONS and header.size > MAX_HEADER:
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        return header


def _tar_members(path: Path) -> Iterator[tuple[str, Member | str]]:
    with path.open("rb") as file:
        if file.read(8).startswith(_MAGICS):
            raise LexipixError(
                f"{path} is compressed as a whole, so that its images cannot be read one by one: "
                f"uncompress it to {path.name.split('.tar')[0].removesuffix('.tgz')}.tar first."
            )
    # A stream, which is read once from start to end; it never goes back to where a header says
    with tarfile.open(path, "r|", tarinfo=_Header, bufsize=_CHUNK, errorlevel=2) as archive:
        for member in archive:
            if member.isdir():
                continue
            if member.size < 0:
                raise tarfile.ReadError(f"{member.name!r} has a negative size")
            if member.isreg() and not member.issparse():
                yield member.name, _TarMember(path, member.offset_data, member.size)
            else:
                yield member.name, "a link or device in an archive, which is not followed"

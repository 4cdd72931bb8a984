"""The files of a source by their names: on disk, or in archives, whose members are read one by one."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Protocol, TypeVar

from lexipix.datasets.sources.folder_layout import Listing
from lexipix.datasets.sources.images import MISSING, Unusable

MAX_BYTES = 128 * 2**20  # of a member; 25 million pixels (ingestion.max_pixels) have 100 MB uncompressed
Named = TypeVar("Named")
Content = Path | BytesIO  # a file on disk, or what a member holds


class Member(Protocol):
    """A file in an archive."""

    def read(self) -> bytes:
        """Its content; :class:`.Unusable` if it is damaged or too large."""


@dataclass(frozen=True)
class FileTree:
    """Files with names relative to a folder or an archive."""

    root: Path
    listings: Sequence[Listing]
    # By name: those of archives, and files beside them on disk; None: all files lie in the folder
    members: Mapping[str, Member | Path] | None = None
    foreign: Sequence[str] = ()  # skipped folders of other programs
    top: str = ""  # the folder "NAME/" that holds all of an archive, which the names leave out

    def content(self, file: str) -> Content:
        """The content of a file; :class:`.Unusable` if an archive lacks it or holds it damaged."""
        if self.members is None:
            return self.root / file
        member = self.members.get(file)
        if member is None:
            raise Unusable(MISSING)
        return member if isinstance(member, Path) else BytesIO(member.read())

    def place(self, file: str) -> Path:
        """Where a file is, for messages; on disk it can be opened there."""
        member = None if self.members is None else self.members.get(file)
        return member if isinstance(member, Path) else self.root / file

    def tasks(self, entries: Iterable[Named]) -> Iterator[tuple[Named, Callable[[str], Content]]]:
        """Entries, each with what gives the content of its files."""
        return ((entry, self.content) for entry in entries)

    def sample(self, files: Sequence[str]) -> tuple[Sequence[str], Callable[[str], Content]]:
        """All files: those to look at are chosen among them."""
        return files, self.content

    def prefixes(self) -> Iterator[str]:
        """The folders with images, as the beginnings of their files' names."""
        return (listing.prefix for listing in self.listings if listing.images)


def require_small(n_bytes: int) -> None:
    """Raise :class:`.Unusable` if a member is larger than any image."""
    if n_bytes > MAX_BYTES:
        raise Unusable(f"too large: {n_bytes:,} bytes in an archive, allowed are {MAX_BYTES:,}")

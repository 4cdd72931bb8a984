"""Caption files of single images, such as ``NAME.txt``: which image each belongs to, and their captions."""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePath

from lexipix.config.ingestion import FolderSourceParameters
from lexipix.datasets.sources.file_names import GENERIC_FOLDERS, fold
from lexipix.datasets.sources.folder_layout import (
    CAPTION_SUFFIXES,
    METADATA_STEMS,
    METADATA_SUFFIXES,
    RECORD_SUFFIX,
    Listing,
    caption_names,
    is_like_metadata,
    is_metadata,
)
from lexipix.datasets.sources.folder_metadata import texts_of_record
from lexipix.datasets.sources.images import Unusable, suffixes
from lexipix.datasets.sources.text_files import encoding_of
from lexipix.utils.errors import LexipixError

_log = logging.getLogger(__name__)

MAX_BYTES = 2**20  # of a caption file; longer ones are something else
# Folders of caption files beside a folder of images.
_CAPTION_FOLDERS = frozenset({"caption", "captions", "text", "texts", "txt", "tags", "prompt", "prompts"})
_MIN_UNUSED = 5  # unused caption files that stop the run, if they are half as many as the images
# Text files that are usually not captions.
NOTES = ("readme", "license", "licence", "notice", "copying", "credits", "attribution", "classes", "labels")


@dataclass(frozen=True)
class CaptionFiles:
    """The caption files of a folder; all paths are relative to its root."""

    of_image: dict[str, tuple[str, ...]]  # caption files by image
    orphans: list[str]  # caption files without an image, beside others that have one
    unused: list[str]  # caption files where no image has one


def find_caption_files(listings: Sequence[Listing]) -> CaptionFiles:
    """Pair images and caption files.

    ``a.png`` has the captions of ``a.txt``, ``a.png.txt`` and ``a.caption`` in its folder. Where there is no
    such file, names can differ in case and Unicode form, or the file lies in another folder, such as
    ``captions/a.txt`` for ``images/a.png``. Without any of them, it has the fields in ``a.json``.
    """
    found: dict[str, tuple[str, ...]] = {}
    used: set[str] = set()

    def pair(listing: Listing, key: Callable[[str], str]) -> None:
        texts = defaultdict(list)
        for name in sorted(listing.texts, key=_suffix_rank):
            if listing.prefix + name not in used:
                texts[key(PurePath(name).stem)].append(listing.prefix + name)
        for name in listing.images:
            file = listing.prefix + name
            if file not in found and (own := [*texts[key(PurePath(name).stem)], *texts[key(name)]]):
                found[file] = tuple(text for text in own if not is_record(text)) or tuple(own)
        used.update(text for name in listing.images for text in found.get(listing.prefix + name, ()))

    for listing in listings:
        if listing.texts:
            pair(listing, lambda name: name)
            pair(listing, fold)
    _pair_folders(listings, found, used)
    orphans, unused = list[str](), list[str]()
    for listing in listings:
        left = [name for name in listing.texts if listing.prefix + name not in used]
        has_captions = len(left) < len(listing.texts)
        captions = [
            name for name in left if not is_record(name) and not PurePath(name).stem.lower().startswith(NOTES)
        ]
        (orphans if has_captions else unused).extend(listing.prefix + name for name in captions)
    return CaptionFiles(found, orphans, unused)


def _pair_folders(listings: Sequence[Listing], found: dict[str, tuple[str, ...]], used: set[str]) -> None:
    """Pair the images and caption files that are left, over folders such as ``images`` and ``captions``."""
    texts: dict[str, list[str]] = defaultdict(list)
    for listing in listings:
        for name in sorted(listing.texts, key=_suffix_rank):
            if (file := listing.prefix + name) not in used and not is_record(name):
                texts[_key(listing.prefix, PurePath(name).stem, _CAPTION_FOLDERS)].append(file)
    if not texts:
        return
    images: dict[str, list[str]] = defaultdict(list)
    for listing in listings:
        for name in listing.images:
            if listing.prefix + name not in found:
                for key in dict.fromkeys((PurePath(name).stem, name)):
                    images[_key(listing.prefix, key, GENERIC_FOLDERS)].append(listing.prefix + name)
    for key, files in images.items():
        # Of several images in different folders it is unclear which one is meant.
        if key in texts and len({PurePath(file).parent for file in files}) == 1:
            found |= {file: tuple(texts[key]) for file in files}
            used.update(texts[key])


def _key(prefix: str, name: str, dropped: Iterable[str]) -> str:
    folders = [folder for folder in fold(prefix).split("/") if folder and folder not in dropped]
    return "/".join([*folders, fold(name)])


def _suffix_rank(name: str) -> int:
    return (*CAPTION_SUFFIXES, RECORD_SUFFIX).index(PurePath(name).suffix.lower())


def check_unused(
    root: Path, unused: Sequence[str], n_images: int, has_captions: bool, how: str | None = None
) -> None:
    """Report files that may hold captions and are not read; stop if the images have no captions at all.

    Raises:
        LexipixError: One of the files is called like a metadata file, or they are half as many as the images;
            the message says how captions are read.
    """
    if not unused:
        return
    shown = f"{', '.join(unused[:3])}{f' and {len(unused) - 3:,} others' if unused[3:] else ''}"
    is_metadata = any(is_like_metadata(PurePath(name).name) for name in unused)
    if has_captions or not (is_metadata or len(unused) >= max(_MIN_UNUSED, n_images / 2)):
        _log.warning("These files in %s are not read for captions: %s.", root, shown)
        return
    how = how or (
        f"Captions are read from {' or '.join(METADATA_STEMS)} with the suffix "
        f"{', '.join(METADATA_SUFFIXES)} in the folder of the images or above it, and from NAME.txt or "
        "NAME.caption for each image NAME.png."
    )
    raise LexipixError(
        f"{root} has files that may hold captions, and none of them can be used: {shown}. {how} Rename them, "
        "or move them out of the folder."
    )


def is_record(name: str) -> bool:
    """Whether a caption file of this name holds fields instead of captions."""
    return PurePath(name).suffix.lower() == RECORD_SUFFIX


def captions_beside(image: Path, parameters: FolderSourceParameters) -> Iterator[tuple[str, str]]:
    """The captions in the files beside one image, as the ingestion finds and reads them, with their files.

    Raises:
        Unusable: One of the files cannot be used.
    """
    names = sorted({image.name, *(path.name for path in image.parent.glob("*"))})
    images = [name for name in names if name == image.name or PurePath(name).suffix.lower() in suffixes()]
    texts = [name for name in caption_names(names) if name != image.name and not is_metadata(name)]
    listing = Listing("", images, [name for name in texts if image.with_name(name).is_file()])
    for name in find_caption_files([listing]).of_image.get(image.name, ()):
        for caption in captions_of(image.with_name(name), name, parameters)[0]:
            yield caption, name


def captions_of(
    file: Path | BytesIO, name: str, parameters: FolderSourceParameters
) -> tuple[tuple[str, ...], str | None]:
    """The captions in a caption file or its content, and the label that a record holds.

    Raises:
        Unusable: It cannot be used.
    """
    text = read_text(file, name)
    return texts_of_record(text, name, parameters) if is_record(name) else (captions_in(text), None)


def read_text(file: Path | BytesIO, name: str) -> str:
    """The text in a caption file, or in its content.

    Raises:
        Unusable: It cannot be read, is too large or no text.
    """
    try:
        size = file.stat().st_size if isinstance(file, Path) else len(file.getbuffer())
        if size > MAX_BYTES:
            raise Unusable(f"its caption file {name} has {size:,} bytes, allowed are {MAX_BYTES:,}")
        content = file.read_bytes() if isinstance(file, Path) else file.getvalue()
        encoding = encoding_of(content[:4])
        return content.decode(encoding)
    except UnicodeDecodeError:
        shown = "UTF-8" if encoding.startswith("utf-8") else encoding.upper()
        raise Unusable(f"its caption file {name} is not valid {shown}") from None
    except OSError as error:
        raise Unusable(f"its caption file {name} cannot be read: {error.strerror}") from None


def captions_in(text: str) -> tuple[str, ...]:
    r"""The captions in the text of a caption file: blank lines separate them, other line breaks do not.

    >>> captions_in("a big\nred star\n\na star\n")
    ('a big red star', 'a star')
    """
    captions: list[str] = []
    current: list[str] = []
    for line in [*text.splitlines(), ""]:
        if words := line.split():
            current += words
        elif current:
            captions.append(" ".join(current))
            current = []
    return tuple(captions)

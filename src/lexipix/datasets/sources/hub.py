"""Data sets of the Hugging Face Hub by their names."""

import logging
import re
from pathlib import Path

from lexipix.utils.errors import LexipixError
from lexipix.utils.project_paths import exists

_log = logging.getLogger(__name__)

MAX_GB = 100  # of a repository
_NAME = re.compile(r"([A-Za-z0-9][\w.-]*)/([A-Za-z0-9][\w.-]*?)(?:@([\w./-]+))?")
# Scripts, which old data sets have, are not downloaded
_IGNORED = ("*.py", "*.pkl", "*.pickle", "*.bin", "*.pt", "*.sh")


def is_repository(path: str, root: Path) -> bool:
    """Whether a path that does not exist may name a repository: ``OWNER/NAME`` or ``OWNER/NAME@REVISION``.

    Where a folder OWNER exists in ``root`` or the current folder, it is a path with a mistake in it.
    """
    match = _NAME.fullmatch(path)
    return (
        match is not None
        and not exists(root / path)
        and not any(exists(place / match[1]) for place in (root, Path.cwd()))
    )


def download(name: str) -> Path:
    """The folder with the files of a data set, in the cache of huggingface_hub; nothing of it is executed.

    Raises:
        LexipixError: The Hub has no such data set, it is larger than ``MAX_GB``, or there is no network.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    match = _NAME.fullmatch(name)
    assert match is not None
    repository, revision = f"{match[1]}/{match[2]}", match[3]
    _log.info("There is no folder %s here: asking the Hugging Face Hub for a data set of this name.", name)
    named = f"ingestion.source.path is {name}, which does not exist here"
    try:
        n_bytes = _size(repository, revision)
        if n_bytes > MAX_GB * 1e9:
            raise LexipixError(
                f"{named}, and the data set {repository} has {n_bytes / 1e9:,.0f} GB, allowed are {MAX_GB}: "
                "download the part that you need, and set ingestion.source.path to its folder."
            )
        folder = Path(
            snapshot_download(
                repository, repo_type="dataset", revision=revision, ignore_patterns=list(_IGNORED)
            )
        )
    except GatedRepoError:
        raise LexipixError(
            f"{named}; the Hugging Face Hub asks for a consent before it gives the data set {repository} "
            "out: agree on its page, and log in with `hf auth login`."
        ) from None
    except (RepositoryNotFoundError, RevisionNotFoundError, ValueError) as error:
        if isinstance(error, LexipixError):
            raise
        raise LexipixError(
            f"{named}, and the Hugging Face Hub has no such data set that you may read: set the folder of "
            "your images, or OWNER/NAME or OWNER/NAME@REVISION of a data set."
        ) from None
    except OSError:  # no network, or the system's limits
        raise LexipixError(
            f"{named}, and the Hugging Face Hub cannot be reached: set the folder of your images, or run `hf "
            f"download {repository} --repo-type dataset --local-dir DIR` where there is a network and set "
            "ingestion.source.path to DIR."
        ) from None
    _log.info(
        "The data set %s of the Hugging Face Hub, revision %s, is in %s.", repository, folder.name, folder
    )
    return folder


def _size(repository: str, revision: str | None) -> int:
    """The bytes that are still to be downloaded; 0 if the Hub cannot be reached, where the cache is used."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import DryRunError

    try:
        files = snapshot_download(
            repository,
            repo_type="dataset",
            revision=revision,
            ignore_patterns=list(_IGNORED),
            dry_run=True,
        )
    except DryRunError:
        return 0
    return sum(file.file_size or 0 for file in files if file.will_download)

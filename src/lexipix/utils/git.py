"""The revision of the running code: the git commit, or the version of the installed package."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lexipix.utils.errors import LexipixError

# Files that decide the results of a run, untracked files included; the results that DVC records do not count.
CODE = ("src", "conf", "pyproject.toml", "requirements.lock")
RECORD = ":(exclude)*dvc.lock"
# Files of the user's own settings in conf/local that change the results; git ignores this folder
SETTINGS = ("catalog", "globals", "parameters")


@cache
def code_revision() -> str:
    """The commit's hash, with ``+dirty`` if the code differs from it; without git, the package's version."""
    revision = git("rev-parse", "HEAD")
    if revision is None:
        try:
            return f"lexipix {version('lexipix')}"
        except PackageNotFoundError:
            return "unknown"
    return f"{revision}+dirty" if uncommitted() else revision


def git(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str | None:
    """Output of a git command, by default in the checkout that contains this file; None if it fails."""
    try:
        return run_git(folder or Path(__file__).parent, *arguments, environment=environment)
    except (OSError, LexipixError):
        return None


def run_git(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, stdin: str | None = None
) -> str:
    """Output of a git command in a folder, with more environment variables; LexipixError if it fails."""
    answer = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env={**os.environ, **(environment or {})},
        input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
        capture_output=True,
        check=False,
    )
    if answer.returncode != 0:
        raise LexipixError(f"git {' '.join(arguments[:2])} failed: {answer.stderr.decode().strip()}")
    return answer.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


@cache
def uncommitted() -> str | None:
    """Differences between the code and its commit, as a patch for ``git apply``; None without git.

    Untracked files and the user's settings in ``conf/local`` that change the results (no credentials) are in
    it. It is empty if nothing differs. The user's index stays unchanged.
    """
    project = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory() as folder:
        run = partial(git, folder=project, environment={"GIT_INDEX_FILE": str(Path(folder, "index"))})
        if run("read-tree", "HEAD") is None:
            return None
        run("add", "--all", "--", *(name for name in CODE if (project / name).exists()), RECORD)
        local = project / "conf" / "local"
        settings = [str(path) for name in SETTINGS for path in local.glob(f"{name}*.y*ml")]
        if settings:
            run("add", "--force", "--", *settings)
        changes = run("diff", "--cached", "--binary", "HEAD")
    if changes is None:
        return None
    return f"{changes}\n" if changes else ""

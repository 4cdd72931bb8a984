"""Which code is running: the git revision of this checkout, or the version of the installed package."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# What decides what a run does; new files count before git knows them. DVC's record of results does not.
CODE = ("src", "conf", "pyproject.toml", "requirements.lock")
RECORD = ":(exclude)*dvc.lock"
# git ignores a user's own settings; those that change what is computed belong to the code of a run
SETTINGS = ("catalog", "globals", "parameters")


@cache
def code_revision() -> str:
    """Give the commit's hash, with ``+dirty`` where the code differs from it.

    Without git it is the package's version.
    """
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
    """Ask git about the checkout this file lies in; None where there is none or git is not installed.

    Args:
        arguments: Of git.
        folder: Where to ask instead.
        environment: Variables in addition to this process's own.
    """
    try:
        answer = subprocess.run(
            ["git", *arguments],
            cwd=folder or Path(__file__).parent,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


@cache
def uncommitted() -> str | None:
    """What the code has over its commit, as ``git apply`` takes it; empty if nothing.

    Code and configuration as they are, new files included, and the user's own settings in ``conf/local`` that
    change what is computed (no credentials). The user's index is not touched. None without git.
    """
    project = Path(__file__).parents[3]
    with tempfile.TemporaryDirectory() as folder:
        own_index = {"GIT_INDEX_FILE": str(Path(folder, "index"))}

        def ask(*arguments: str) -> str | None:
            return git(*arguments, folder=project, environment=own_index)

        if ask("read-tree", "HEAD") is None:
            return None
        ask("add", "--all", "--", *(name for name in CODE if (project / name).exists()), RECORD)
        local = project / "conf" / "local"
        settings = [str(path) for name in SETTINGS for path in local.glob(f"{name}*.y*ml")]
        if settings:
            ask("add", "--force", "--", *settings)
        changes = ask("diff", "--cached", "--binary", "HEAD")
    if changes is None:
        return None
    return f"{changes}\n" if changes else ""

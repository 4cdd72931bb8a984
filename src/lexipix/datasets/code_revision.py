"""Which code is running: the git revision of this checkout, or the version of the installed package."""

import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@cache
def code_revision() -> str:
    """Give the commit's hash, with ``+dirty`` where tracked files differ from it.

    Without git it is the package's version.
    """
    revision = git("rev-parse", "HEAD")
    if revision is None:
        try:
            return f"lexipix {version('lexipix')}"
        except PackageNotFoundError:
            return "unknown"
    return f"{revision}+dirty" if git("status", "--porcelain", "--untracked-files=no") else revision


def git(*arguments: str) -> str | None:
    """Ask git about the checkout this file lies in; None where there is none or git is not installed."""
    try:
        answer = subprocess.run(
            ["git", *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()

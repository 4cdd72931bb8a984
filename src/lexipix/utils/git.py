"""The revision of the running code: the git commit, or the version of the installed package."""

import logging
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from lexipix.utils.errors import LexipixError, reason
from lexipix.utils.secrets import without_secret_values

_log = logging.getLogger(__name__)

# Files that decide the results of a run, untracked files included; the results that DVC records do not count.
CODE = ("src", "conf", "pyproject.toml", "requirements.lock")
RECORD = ":(exclude)*dvc.lock"
# Python files count also where git ignores them
IGNORED_CODE = ":(glob)src/**/*.py"
# Files of the user's own settings in conf/local that change the results; git ignores this folder
SETTINGS = ("catalog", "globals", "parameters")
# Never in a record, wherever they are: what Kedro reads as credentials, and hidden files such as .env
SECRETS = (":(exclude,icase)conf/*credentials*", ":(exclude,glob)conf/**/.*")
# A patch that `git apply` reads, whatever the user's configuration of git
DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
# Set by git itself for hooks, they would lead every command to another repository
_FOREIGN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX", "GIT_NAMESPACE")


@cache
def code_revision() -> str:
    """The commit's hash, with ``+dirty`` or ``+unknown`` where the code differs or git does not say.

    Without git it is the package's version.
    """
    revision = git_revision()
    if revision is None:
        try:
            return f"lexipix {version('lexipix')}"
        except PackageNotFoundError:
            return "unknown"
    changes = uncommitted()
    return f"{revision}+unknown" if changes is None else f"{revision}+dirty" if changes else revision


@cache
def git_revision() -> str | None:
    """The commit of the running code; None if no repository keeps it, or git fails, with a warning."""
    file = Path(__file__)
    if not any((folder / ".git").exists() for folder in file.parents):
        return None
    try:
        run_git(
            file.parent, "ls-files", "--error-unmatch", "--", file.name
        )  # a repository around another one
        return run_git(file.parent, "rev-parse", "--verify", "HEAD")
    except LexipixError as error:
        _log.warning("The revision of the code is unknown: %s", reason(error))
        return None


def git(
    *arguments: str, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> str | None:
    """Output of a git command, by default in the checkout that contains this file; None if it fails."""
    try:
        return run_git(folder or Path(__file__).parent, *arguments, environment=environment)
    except LexipixError:
        return None


def run_git(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None, stdin: str | None = None
) -> str:
    """Output of a git command in a folder, with more environment variables; LexipixError if it fails."""
    inherited = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    try:
        answer = subprocess.run(
            ["git", *arguments],  # noqa: S607 - the user's git
            cwd=folder,
            env={**inherited, "LC_ALL": "C", **(environment or {})},
            input=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
            capture_output=True,
            check=False,
        )
    except OSError as error:
        raise LexipixError(f"git cannot be run ({error.strerror}): install it, or check the PATH.") from error
    if answer.returncode != 0:
        said = answer.stderr.decode("utf-8", "replace").strip()
        raise LexipixError(f"git {' '.join(arguments[:2])} failed: {said}")
    return answer.stdout.decode("utf-8", "surrogateescape").removesuffix("\n")


@cache
def uncommitted() -> str | None:
    """Differences between the code and its commit, as a patch for ``git apply``; None if they are unknown.

    Untracked files and the user's settings in ``conf/local`` that change the results are in it, but no
    credentials; values of keys such as ``hf_token`` in the configuration are ``"***"``. It is empty if
    nothing differs. The user's index stays unchanged. If git fails, a warning says why.
    """
    if git_revision() is None:
        return None
    try:
        with tempfile.TemporaryDirectory() as folder:
            return _changes(Path(__file__).parents[3], Path(folder, "index"))
    except (LexipixError, OSError) as error:
        _log.warning("Whether the code differs from its commit is unknown: %s", reason(error))
        return None


def _changes(project: Path, index: Path) -> str:
    run = partial(run_git, project, environment={"GIT_INDEX_FILE": str(index)})
    run("read-tree", "HEAD")
    run("add", "--all", "--", *(name for name in CODE if (project / name).exists()), RECORD, *SECRETS)
    run("add", "--force", "--", IGNORED_CODE)
    local = project / "conf" / "local"
    settings = [str(path) for name in SETTINGS for path in local.glob(f"{name}*.y*ml")]
    if settings:
        run("add", "--force", "--", *settings)
    _mask_secrets(project, run)
    changes = run(*DIFF, "--cached", "--binary", "HEAD")
    return f"{changes}\n" if changes else ""


def _mask_secrets(project: Path, run: Callable[..., str]) -> None:
    """Replace secret values in the changed files of the configuration, in the index that ``run`` uses."""
    listed = run(
        "diff", "--cached", "--name-only", "-z", "--no-renames", "--diff-filter=AM", "HEAD", "--", "conf"
    )
    for name in filter(None, listed.split("\0")):
        if not name.endswith((".yml", ".yaml", ".json")) or (project / name).is_symlink():
            continue
        committed = run("show", f"HEAD:{name}") if run("ls-tree", "HEAD", "--", name) else ""
        text = (project / name).read_bytes().decode("utf-8", "surrogateescape")
        try:
            masked = without_secret_values(text, committed)
        except Exception:  # no YAML, so that no run has read it
            run("reset", "--quiet", "--", name)
            continue
        if masked != text:
            digest = run("hash-object", "-w", "--stdin", stdin=masked)
            run("update-index", "--add", "--cacheinfo", f"100644,{digest},{name}")

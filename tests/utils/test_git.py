"""What is recorded about the code: what git does not say is unknown, never clean."""

import ast
import os
import shutil
import subprocess
import sys

import pytest
from tests.support.project import REPOSITORY, commit_all

IDENTITY = os.environ | {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Test"), ("EMAIL", "test@example.org"))
}
SHOW = """
from lexipix.utils import git
print(repr(git.git_revision()), repr(git.uncommitted()), git.code_revision())
"""


@pytest.fixture
def project(tmp_path):
    """A repository with the code under test."""
    package = tmp_path / "project" / "src" / "lexipix"
    (package / "utils").mkdir(parents=True)
    for name in ("__init__.py", "utils/__init__.py", "utils/git.py", "utils/errors.py", "utils/secrets.py"):
        shutil.copy(REPOSITORY / "src" / "lexipix" / name, package / name)
    (package / "__init__.py").write_text("")
    for name in ("pyproject.toml", ".gitignore"):
        shutil.copy(REPOSITORY / name, tmp_path / "project" / name)
    (tmp_path / "project" / "conf" / "base").mkdir(parents=True)
    (tmp_path / "project" / "conf" / "base" / "parameters.yml").write_text("run: {seed: 1}\n")
    commit_all(tmp_path / "project")
    return tmp_path / "project"


def said(project, **environment):
    words = [sys.executable, "-c", SHOW]
    environment = os.environ | {"PYTHONPATH": str(project / "src"), "HOME": str(project.parent)} | environment
    answer = subprocess.run(
        words, cwd=project.parent, env=environment, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip(), answer.stderr


def test_a_commit_without_changes_is_clean(project):
    answer, warnings = said(project)
    revision, changes, shown = answer.split()
    assert (len(revision), changes) == (42, "''") and shown == revision.strip("'")
    assert warnings == ""


@pytest.mark.parametrize("ignored", [False, True])
def test_a_new_file_is_a_change_even_where_git_ignores_it(project, ignored):
    (project / "src" / "lexipix" / "new.py").write_text("NEW = 1\n")
    if ignored:
        (project / ".git" / "info" / "exclude").write_text("new.py\n")
    answer, _ = said(project)
    assert "+NEW = 1" in answer and answer.endswith("+dirty")


def test_the_users_configuration_of_git_does_not_change_the_patch(project):
    (project.parent / ".gitconfig").write_text(
        "[color]\nui = always\n[diff]\nnoprefix = true\nexternal = false\n"
    )
    (project / "src" / "lexipix" / "new.py").write_text("NEW = 1\n")
    answer, _ = said(project)
    assert "+++ b/src/lexipix/new.py\\n" in answer and "\\x1b" not in answer


@pytest.mark.parametrize("broken", ["index", "no git", "no commit"])
def test_what_git_cannot_say_is_unknown_with_a_warning(project, broken):
    environment = {}
    if broken == "index":  # the changes cannot be found
        tree = project / "src" / "lexipix" / "loop"
        tree.mkdir()
        subprocess.run(["git", "init", "--quiet", str(tree)], check=True)
        (tree / "a.py").write_text("A = 1\n")  # a repository inside without a commit
    elif broken == "no git":
        environment = {"PATH": str(project)}
    else:
        shutil.rmtree(project / ".git")
        subprocess.run(["git", "init", "--quiet"], cwd=project, check=True)
    answer, warnings = said(project, **environment)
    assert "''" not in answer, "never clean"
    assert " None " in answer and "unknown" in warnings
    assert answer.endswith("+unknown") == (broken == "index")


def test_a_repository_around_that_does_not_keep_the_code_is_none(project):
    shutil.rmtree(project / ".git")
    (project.parent / ".gitignore").write_text("project\n")
    (project.parent / "other.txt").write_text("a")
    commit_all(project.parent)
    answer, warnings = said(project)
    assert answer.startswith("None None") and "unknown" in warnings


def test_without_a_repository_there_is_nothing_to_warn_of(project):
    shutil.rmtree(project / ".git")
    answer, warnings = said(project)
    assert answer.startswith("None None") and warnings == ""


def test_variables_that_git_sets_for_its_hooks_lead_to_no_other_repository(project, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "a").write_text("a")
    commit_all(other)
    assert said(project, GIT_DIR=str(other / ".git"), GIT_INDEX_FILE="index") == said(project)


def test_credentials_are_in_no_patch_wherever_they_are(project):
    names = (
        "base/credentials.yml",
        "mine/credentials_s3.json",
        "mine/Credentials/a.yml",
        "base/.env",
        ".env",
    )
    for name in (*names, "local/credentials.yml"):
        (project / "conf" / name).parent.mkdir(parents=True, exist_ok=True)
        (project / "conf" / name).write_text("user: abc123\n")
    answer, _ = said(project)
    assert "abc123" not in answer and answer.split()[1] == "''", "they are no change of the code either"
    (project / "conf" / "base" / "parameters.yml").write_text("run: {seed: 2}\n")
    answer, _ = said(project)
    assert "abc123" not in answer and "+run: {seed: 2}" in answer


def test_secret_values_are_masked_in_the_configuration_and_the_patch_can_be_applied(project):
    conf = project / "conf"
    (conf / "base" / "globals.yml").write_text("api_key: committed\na: 1\n")
    commit_all(project)
    (conf / "base" / "globals.yml").write_text("api_key: committed\na: 2\n")
    (conf / "local").mkdir()
    (conf / "local" / "globals.yml").write_text("hf_token: abc123\nlimit: 5\n")
    (conf / "mine").mkdir()
    (conf / "mine" / "catalog.json").write_text('{"x": {"password": "abc123"}}')
    (conf / "mine" / "notes.yml").write_text("token: abc123 [\n: {")  # which Kedro cannot read either
    answer, warnings = said(project)
    assert "abc123" not in answer and warnings == ""
    changes = ast.literal_eval(answer.split(" ", 1)[1].rsplit(" ", 1)[0])
    subprocess.run(["git", "stash", "--all", "--quiet"], cwd=project, check=True, env=IDENTITY)
    subprocess.run(["git", "apply", "-"], cwd=project, input=changes.encode(), check=True)
    assert (conf / "base" / "globals.yml").read_text() == "api_key: committed\na: 2\n"
    assert (conf / "local" / "globals.yml").read_text() == 'hf_token: "***"\nlimit: 5\n'
    assert (conf / "mine" / "catalog.json").read_text() == '{"x": {"password": "***"}}'


def test_the_users_index_stays_as_it_is(project):
    (project / "conf" / "local").mkdir()
    (project / "conf" / "local" / "globals.yml").write_text("hf_token: abc123\n")
    said(project)
    staged = subprocess.run(
        ["git", "diff", "--cached", "--name-only"], cwd=project, capture_output=True, text=True, check=True
    )
    assert staged.stdout == ""

"""``kedro reproduce``: run a tracked run again and compare its files."""

import datetime
import shlex
import tempfile
from collections import Counter
from pathlib import Path

import click
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.output import show
from lexipix.tracking import run as tracking
from lexipix.tracking.stores import open_store
from lexipix.utils.errors import LexipixError
from lexipix.utils.git import run_git
from lexipix.utils.logging import warn_on_failure


@click.command()
@click.argument("run_id")
@click.option("--check", is_flag=True, help="Only report whether the run can be reproduced.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the new run, which is kept [default: a temporary folder, kept if something differs].",
)
@click.pass_obj
@user_errors()
def reproduce(metadata: ProjectMetadata, run_id: str, check: bool, out: Path | None) -> None:
    """Run a run of the MLflow store again, and compare every file that it wrote.

    Its code is checked out into a new git worktree, with its uncommitted changes. Its inputs are taken by
    digest from the project or from DVC's cache. Then its command is run. Nothing in the project changes. On
    the machine of the run every file must be identical, except for times. The result becomes a tag of the
    run.

    \b
    Examples:
      kedro reproduce 0af3d6c1b5e24c0f9d7a --check
      kedro reproduce 0af3d6c1b5e24c0f9d7a
      kedro reproduce 0af3d6c1b5e24c0f9d7a --out again
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    import mlflow

    from lexipix.repro import rerun

    if out is not None and out.exists():
        raise LexipixError(f"--out {out} exists already: name a new folder.")
    project = Path(metadata.project_path)
    client = open_store(tracking.store(project))
    mlflow.set_tracking_uri(tracking.store(project))
    todo = rerun.stages(client, run_id)
    obstacles = rerun.obstacles(project, todo)
    for line in obstacles:
        show(line)
    if obstacles:
        raise LexipixError(f"Run {run_id} cannot be reproduced here.")
    for line in rerun.remarks(todo):
        show(f"Note: {line}.")
    revision = todo[0].tags["git.revision"][:12] + (" with changes" if todo[0].changes else "")
    for stage in todo:
        n_inputs, n_outputs = (len(stage.lineage[key]) for key in ("inputs", "outputs"))
        show(f"{stage.name} at {revision}: kedro {shlex.join(stage.command)}")
        show(f"  {n_inputs} inputs found, {n_outputs} outputs to compare")
    if check:
        show("It can be reproduced.")
        return
    folder = out or Path(tempfile.mkdtemp(prefix="lexipix-")) / "reproduced"
    rerun.prepare(project, todo, folder.absolute())
    for stage in todo:
        if code := rerun.run_again(stage, folder, project):
            raise LexipixError(f"`kedro {shlex.join(stage.command)}` ended with {code} in {folder}.")
    verdicts = list(rerun.compare(todo, folder))
    for path, verdict in verdicts:
        if verdict not in (rerun.IDENTICAL, rerun.COMPARABLE):
            show(f"{path}: {verdict}")
    if not verdicts:
        raise LexipixError(f"Run {run_id} recorded no file that it wrote: there is nothing to compare with.")
    counts = Counter(verdict for _, verdict in verdicts)
    result = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    with warn_on_failure("MLflow: the result is not kept as a tag of the run"):
        client.set_tag(run_id, "reproduced", f"{datetime.date.today()}: {result}")
    good = all(verdict in rerun.GOOD for _, verdict in verdicts)
    if out is None and good:
        run_git(project, "worktree", "remove", "--force", str(folder))
        folder.parent.rmdir()
    else:
        show(f"The new files are in {folder}; git worktree remove --force {folder} removes them.")
    if not good:
        raise LexipixError(f"Run {run_id} is not reproduced: {result}.")
    show(f"Reproduced: {result}.")

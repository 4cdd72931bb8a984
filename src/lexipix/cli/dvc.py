"""``kedro dvc``: DVC's stages, written from the Kedro pipelines, and the MLflow runs behind them."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import yaml

from lexipix.cli.errors import user_errors
from lexipix.utils.errors import LexipixError

if TYPE_CHECKING:
    from kedro.framework.startup import ProjectMetadata


@click.group()
def dvc() -> None:
    """Keep DVC's stages in step with the Kedro pipelines."""


@dvc.command()
@click.option("--check", is_flag=True, help="Write nothing; list every difference and fail if there is one.")
@click.pass_obj
def sync(metadata: "ProjectMetadata", check: bool) -> None:
    """Write dvc.yaml from the pipelines, the catalog, the parameters and the imports.

    The base environment's stages are in dvc.yaml, those of every other environment with its own data in
    conf/ENV/dvc.yaml. Manual changes are kept: the comment at the top, desc, frozen and other keys of a
    stage, options of outputs, stages that run no pipeline.

    \b
    Examples:
      kedro dvc sync
      kedro dvc sync --check
      dvc repro conf/cifar10/dvc.yaml
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    with user_errors():
        differences = _synchronise(Path(metadata.project_path), check)
        for line in differences:
            click.echo(line)
        if differences and check:
            raise LexipixError("DVC's stages differ from the pipelines: run `kedro dvc sync`.")
        click.echo("Written." if differences else "DVC's stages match the pipelines.")


@dvc.command()
@click.pass_obj
def link(metadata: "ProjectMetadata") -> None:
    """Link each stage's results to the MLflow run that made them, also if DVC restored them from its cache.

    The links become tags (dvc.made.STAGE) of the run that stands for the last `dvc repro`; if DVC restored
    everything, such a run is created. `make repro` does this after every `dvc repro`.

    \b
    Examples:
      kedro dvc link
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    with user_errors():
        for line in _link(Path(metadata.project_path)):
            click.echo(line)


def _link(project: Path) -> Iterator[str]:
    """Lines on every environment with a dvc.lock."""
    from lexipix.repro import links as linking
    from lexipix.repro.dvc_stages import environments
    from lexipix.tracking import run as tracking
    from lexipix.tracking.lineage import experiment_name

    if not tracking.enabled():
        raise LexipixError("LEXIPIX_MLFLOW=0 turns tracking off: unset it to link stages to runs.")
    known = [env for env in environments(project) if linking.lock_of(project, env).is_file()]
    if not known:
        raise LexipixError("DVC has recorded nothing yet (there is no dvc.lock): run `make repro` first.")
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=tracking.store(project))
    for env in known:
        experiment = client.get_experiment_by_name(experiment_name(env))
        if experiment is None:
            yield f"{env}: {client.tracking_uri} has no run of this environment"
            continue
        lock = linking.lock_of(project, env)
        found = linking.links(client, experiment.experiment_id, lock)
        for one in found:
            made = (
                f"run {one.run.info.run_id} ({one.run.info.run_name})" if one.run else "no run in this store"
            )
            yield f"{env}: {one.stage} was made by {made}"
        yield f"{env}: stored with run {linking.keep(client, experiment.experiment_id, env, lock, found)}"


def _synchronise(project: Path, check: bool) -> list[str]:
    """Differences, each with its file; they are fixed unless ``check`` is set."""
    from lexipix.repro.dvc_files import as_text, differences, head_of, merged
    from lexipix.repro.dvc_stages import commands, environments, place, stage
    from lexipix.utils.atomic import replace_file

    found = []
    for env in environments(project):
        path = place(project, env)
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        before: dict[str, Any] = _parsed(path, text)
        after = merged(before, {name: stage(project, env, one) for name, one in commands(env).items()})
        own = differences(before, after)
        found += [f"{path.relative_to(project).as_posix()}: {line}" for line in own]
        if own and not check:
            with replace_file(path) as temporary:
                temporary.write_text(as_text(after, head_of(text)), encoding="utf-8")
    return found


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise LexipixError(
            f"{path} is not valid YAML ({error}): fix it, or remove it and sync again."
        ) from error
    if not isinstance(content, dict):
        raise LexipixError(f"{path} is no list of stages: fix it, or remove it and sync again.")
    return content

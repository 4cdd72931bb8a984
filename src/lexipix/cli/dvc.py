"""``kedro dvc sync``: DVC's stages, written from the Kedro pipelines."""

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
    """Keep DVC's stages as the Kedro pipelines are."""


@dvc.command()
@click.option("--check", is_flag=True, help="Write nothing; name every difference and fail if there is one.")
@click.pass_obj
def sync(metadata: "ProjectMetadata", check: bool) -> None:
    """Write dvc.yaml from the pipelines, the catalog, the parameters and the imports.

    The base environment's stages are in dvc.yaml, those of every other environment with data of its own in
    conf/ENV/dvc.yaml. What is written by hand stays: the comment at the top, desc, frozen and other keys of a
    stage, options of outputs, stages that run no pipeline.

    \b
    Examples:
      kedro dvc sync
      kedro dvc sync --check
      dvc repro conf/cifar10/dvc.yaml
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    with user_errors():
        found = _synchronise(Path(metadata.project_path), check)
        for line in found:
            click.echo(line)
        if found and check:
            raise LexipixError("DVC's stages are not as the pipelines are: run `kedro dvc sync`.")
        click.echo("Written." if found else "DVC's stages are as the pipelines are.")


@dvc.command()
@click.pass_obj
def link(metadata: "ProjectMetadata") -> None:
    """Name the MLflow run that made each stage's results, also of stages that DVC restored from its cache.

    The links become tags (dvc.made.STAGE) of the run that stands for the last `dvc repro`; where DVC restored
    everything, such a run is begun. `make repro` does this after every `dvc repro`.

    \b
    Examples:
      kedro dvc link
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    with user_errors():
        for line in _link(Path(metadata.project_path)):
            click.echo(line)


def _link(project: Path) -> Iterator[str]:
    """Lines on every environment that DVC has recorded something of."""
    from lexipix.repro import links as linking
    from lexipix.repro.dvc_stages import environments
    from lexipix.tracking import run as tracking
    from lexipix.tracking.lineage import experiment_name

    if not tracking.enabled():
        raise LexipixError("LEXIPIX_MLFLOW=0 keeps no runs: unset it to link stages to them.")
    known = [env for env in environments(project) if linking.lock_of(project, env).is_file()]
    if not known:
        raise LexipixError("DVC has recorded nothing yet (there is no dvc.lock): run `make repro` first.")
    import mlflow

    client = mlflow.MlflowClient(tracking_uri=tracking.store(project))
    for env in known:
        experiment = client.get_experiment_by_name(experiment_name(env))
        if experiment is None:
            yield f"{env}: no run of this environment is in {client.tracking_uri}"
            continue
        lock = linking.lock_of(project, env)
        found = linking.links(client, experiment.experiment_id, lock)
        for one in found:
            made = (
                f"run {one.run.info.run_id} ({one.run.info.run_name})" if one.run else "no run of this store"
            )
            yield f"{env}: {one.stage} was made by {made}"
        yield f"{env}: kept with run {linking.keep(client, experiment.experiment_id, env, lock, found)}"


def _synchronise(project: Path, check: bool) -> list[str]:
    """Differences in words, each with its file; they are mended unless they are only to be checked."""
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
            f"{path} is not valid YAML ({error}): mend it, or remove it and sync again."
        ) from error
    if not isinstance(content, dict):
        raise LexipixError(f"{path} is no list of stages: mend it, or remove it and sync again.")
    return content

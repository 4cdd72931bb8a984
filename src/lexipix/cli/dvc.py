"""``kedro dvc``: DVC's stages, written from the Kedro pipelines, and the MLflow runs behind them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.framework.startup import ProjectMetadata

from lexipix.cli.errors import user_errors
from lexipix.cli.output import show
from lexipix.utils.errors import LexipixError


@click.group()
def dvc() -> None:
    """Keep dvc.yaml in step with the pipelines, and link DVC's stages to MLflow runs."""


@dvc.command()
@click.option("--check", is_flag=True, help="Write nothing; name every difference and fail if there is one.")
@click.pass_obj
@user_errors()
def sync(metadata: ProjectMetadata, check: bool) -> None:
    """Write dvc.yaml from the pipelines, the catalog, the parameters and the imports.

    Every stage exists in every environment with its own folder of data, as STAGE@ENV. What you write by hand
    stays: the comment at the top, desc, frozen and other keys of a stage, options of outputs, stages that run
    no pipeline, other variables.

    \b
    Examples:
      kedro dvc sync
      kedro dvc sync --check
      dvc repro evaluation@cifar10
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.pipeline_registry import register_pipelines
    from lexipix.repro.dvc_files import as_text, differences, head_of, merge
    from lexipix.repro.dvc_stages import KedroProject
    from lexipix.settings import CONFIG_LOADER_ARGS, CONFIG_LOADER_CLASS
    from lexipix.utils.atomic import replace_file

    project = Path(metadata.project_path)

    def configure(env: str) -> Mapping[str, Any]:
        return CONFIG_LOADER_CLASS(str(project / "conf"), env=env, **CONFIG_LOADER_ARGS)

    kedro = KedroProject(project, register_pipelines(), configure)
    path = project / "dvc.yaml"
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    before = _parse(path, text)
    after = merge(before, kedro.variables(), kedro.stages())
    found = differences(before, after)
    if found and not check:
        with replace_file(path) as temporary:
            temporary.write_text(as_text(after, head_of(text)), encoding="utf-8")
    for line in found:
        show(f"dvc.yaml: {line}")
    if found and check:
        raise LexipixError("dvc.yaml differs from the pipelines: run `kedro dvc sync`.")
    show("dvc.yaml is written." if found else "dvc.yaml agrees with the pipelines.")


@dvc.command()
@click.pass_obj
@user_errors()
def link(metadata: ProjectMetadata) -> None:
    """Name the MLflow run that made each stage's outputs, also of stages that DVC restored from its cache.

    The links become tags (dvc.made.STAGE) of the run that stands for the last `dvc repro`; where DVC restored
    everything, such a run is created. `make repro` does this after every `dvc repro`.

    \b
    Examples:
      kedro dvc link
    """  # noqa: D301 - click takes the paragraph after the backspace as it is
    from lexipix.repro.dvc_runs import LOCK, find_links, recorded_stages, save_links
    from lexipix.tracking import run as tracking
    from lexipix.tracking.lineage import experiment_name
    from lexipix.tracking.stores import open_store

    if not tracking.enabled():
        raise LexipixError("LEXIPIX_MLFLOW=0 switches tracking off: unset it to link stages to their runs.")
    project = Path(metadata.project_path)
    lock = project / LOCK
    if not lock.is_file():
        raise LexipixError("DVC has recorded no stage yet (there is no dvc.lock): run `make repro` first.")
    client = open_store(tracking.store(project))
    for env, stages in sorted(recorded_stages(lock).items()):
        experiment = client.get_experiment_by_name(experiment_name(env))
        if experiment is None:
            show(f"{env}: {client.tracking_uri} has no run of this environment")
            continue
        links = find_links(client, experiment.experiment_id, stages)
        for stage, run in links.items():
            maker = f"run {run.info.run_id} ({run.info.run_name})" if run else "no run of this store"
            show(f"{env}: {stage} was made by {maker}")
        show(f"{env}: saved with run {save_links(client, experiment.experiment_id, env, stages, links)}")


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        content = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise LexipixError(
            f"{path} is not valid YAML ({error}): fix it, or remove it and run `kedro dvc sync`."
        ) from error
    if not isinstance(content, dict):
        raise LexipixError(f"{path} does not contain stages: fix it, or remove it and run `kedro dvc sync`.")
    return content

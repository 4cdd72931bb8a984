"""Registers the generator and the captioner of an evaluation, and promotes them where they are better."""

import hashlib
import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote, urlparse

import mlflow
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, Metric
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import Model

from lexipix.config.root import LexipixParameters
from lexipix.datasets.files import plain
from lexipix.tracking.lineage import experiment_name
from lexipix.tracking.model_packages import ModelPackage, captioner, generator
from lexipix.tracking.promotion import Measured, decide
from lexipix.tracking.run import numbers
from lexipix.tracking.stores import open_store
from lexipix.utils.errors import LexipixError
from lexipix.utils.logging import warn_on_failure
from lexipix.utils.project_paths import exists, store_exists
from lexipix.utils.terminal import inert

_log = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"
PROMOTED = "promoted"
KINDS = ("generator", "captioner")
DATA = "data"
METRIC = "metric."  # prefix of a metric's name among a version's tags
EVALUATION = "evaluation"  # digest of the evaluation that a version comes from
REGISTERED = "registered"  # the last tag that a version gets: without it, its process was killed
# The UI reads this tag to list the registered versions of a model
REGISTERED_AS = "mlflow.modelVersions"


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation."""

    run_id: str  # the MLflow run, still open
    env: str | None  # each has its own registered models, since only models of the same data compare
    data: str  # digest of the images
    metrics: Mapping[str, Any]  # the content of ``metrics.json``
    parameters: LexipixParameters
    path: Callable[[str], Path]  # dataset's name -> its file or folder

    @cached_property
    def digest(self) -> str:
        """Of the images and the metrics, which include measured speeds: no two evaluations share it."""
        content = json.dumps([self.data, plain(self.metrics)], sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()


def register(evaluation: Evaluation) -> None:
    """Register both models, unless this evaluation has done so; complete what a killed process began.

    A failure is a warning: the results themselves are saved.
    """
    for package in (generator, captioner):
        with warn_on_failure("MLflow: not all models could be registered"):
            if is_registered(package.__name__, evaluation):
                continue
            version, reason = _register(package(evaluation.path, evaluation.parameters), evaluation)
            _log.info("%s, version %s: %s", version.name, version.version, reason)


def is_registered(kind: str, evaluation: Evaluation) -> bool:
    """Whether an evaluation's ``generator`` or ``captioner`` is registered, with its aliases."""
    version = _version_of(MlflowClient(), registered_name(kind, evaluation.env), evaluation)
    return version is not None and REGISTERED in version.tags


def registered_name(kind: str, env: str | None) -> str:
    """A registered model's name: ``lexipix-generator``, or ``lexipix-generator-ENV`` outside of base."""
    return f"lexipix-{kind}{experiment_name(env).removeprefix('lexipix')}"


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of a registered generator, and the captioner that the same run registered, if any."""

    name: str
    number: str
    aliases: tuple[str, ...]
    run_id: str
    reason: str  # why it became the champion or not
    captioner: str | None  # URI

    @property
    def uri(self) -> str:
        """What ``TextToImagePipeline.from_pretrained`` takes."""
        return f"models:/{self.name}/{self.number}"

    @property
    def env(self) -> str:
        """The environment of its run."""
        return self.name.removeprefix(registered_name("generator", None)).removeprefix("-") or "base"


def registered_versions(store: str) -> list[RegisteredVersion]:
    """All versions of the generators of a store, the newest of each name first; none without a store."""
    if not store_exists(store):
        return []
    client = open_store(store)
    models = {model.name: model for model in client.search_registered_models()}
    versions = sorted(
        (version for name in models for version in client.search_model_versions(f"name='{name}'")),
        key=lambda version: (version.name, -int(version.version)),
    )
    prefix, other = (registered_name(kind, None) for kind in ("generator", "captioner"))
    captioners = {
        (version.name.removeprefix(other), version.run_id): f"models:/{version.name}/{version.version}"
        for version in versions
        if version.name.startswith(other)
    }
    return [
        RegisteredVersion(
            version.name,
            version.version,
            tuple(
                alias for alias, number in models[version.name].aliases.items() if number == version.version
            ),
            version.run_id,
            version.description or "",
            captioners.get((version.name.removeprefix(prefix), version.run_id)),
        )
        for version in versions
        if version.name.startswith(prefix)
    ]


def report_of(version: RegisteredVersion) -> Path | None:
    """The report of the run that registered a version, as a file here; None if the run has none."""
    place = f"runs:/{version.run_id}/report/report.html"
    with suppress(MlflowException, OSError):
        return Path(mlflow.artifacts.download_artifacts(place))
    return None


def missing(store: str, name: str) -> str | None:
    """The reason why a registered model cannot be served from a store, and what to do; None if it can."""
    if not store_exists(store):
        return f"{store} has no runs yet: `make run` trains and registers the models."
    try:
        client = open_store(store)
    except LexipixError as error:
        return str(error)
    found = {model.name: model for model in client.search_registered_models()}
    known = [model_name for model_name, model in found.items() if CHAMPION in model.aliases]
    if name in known:
        place = urlparse(client.get_model_version_download_uri(name, found[name].aliases[CHAMPION]))
        if place.scheme == "file" and not exists(Path(unquote(place.path))):
            return (
                f"The files of model {name} are not at {unquote(place.path)}: restore the folder mlartifacts "
                "of the project that made it, or train again with `make run`."
            )
        return None
    choice = f"choose from {', '.join(known)}" if known else "`make run` registers the first"
    return f"No model {name} with the alias {CHAMPION} is registered in {store}: {choice}."


def _register(package: ModelPackage, evaluation: Evaluation) -> tuple[ModelVersion, str]:
    """Register a model; its version, and the reason why it became the champion or not."""
    client, name = MlflowClient(), registered_name(package.kind, evaluation.env)
    version = _version_of(client, name, evaluation) or _create(client, name, package, evaluation)
    registered_as = [{"name": name, "version": version.version}]
    client.set_logged_model_tags(
        version.source.removeprefix("models:/"), {REGISTERED_AS: json.dumps(registered_as)}
    )
    client.set_registered_model_alias(name, CHALLENGER, version.version)
    if version.tags["decision"] == PROMOTED:
        client.set_registered_model_alias(name, CHAMPION, version.version)
    client.set_model_version_tag(name, version.version, REGISTERED, "true")
    return version, version.tags["reason"]


def _version_of(client: MlflowClient, name: str, evaluation: Evaluation) -> ModelVersion | None:
    """The version that an evaluation has made of a registered model, possibly without its aliases."""
    versions = client.search_model_versions(f"name='{name}'")
    return next((one for one in versions if one.tags.get(EVALUATION) == evaluation.digest), None)


def _create(client: MlflowClient, name: str, package: ModelPackage, evaluation: Evaluation) -> ModelVersion:
    """A new version of a registered model, with the decision about it, but no aliases yet."""
    group = f"{package.quality}."
    metrics = {
        key.removeprefix(group): value for key, value in numbers(evaluation.metrics) if key.startswith(group)
    }
    before = _champion(client, name, package.description)
    max_loss = evaluation.parameters.compression.champion.max_quality_loss
    champion = None
    if before:
        known = {
            key.removeprefix(METRIC): float(value)
            for key, value in before.tags.items()
            if key.startswith(METRIC)
        }
        champion = Measured(before.tags.get(DATA, ""), known)
    decision = decide(Measured(evaluation.data, metrics), champion, package.gated, max_loss)
    model = _logged(client, name, package, evaluation)
    _link_metrics(client, (group, f"{package.speed}."), evaluation.run_id, model.model_id)
    tags = {
        "decision": PROMOTED if decision.promoted else f"not {PROMOTED}",
        "reason": decision.reason,
        "compared_with": before.version if before else "none",
        DATA: evaluation.data,
        EVALUATION: evaluation.digest,
        **{f"{METRIC}{key}": repr(value) for key, value in metrics.items()},
    }
    created = client.create_model_version(
        name,
        f"models:/{model.model_id}",
        run_id=evaluation.run_id,
        model_id=model.model_id,
        description=decision.reason,
        tags=tags,
    )
    return client.get_model_version(name, created.version)


def _champion(client: MlflowClient, name: str, description: str) -> ModelVersion | None:
    """The champion's version; the registered model is created where it is missing."""
    with suppress(MlflowException):  # it exists already
        description = f"{description} Serve it with `make serve MODEL={name}`."
        client.create_registered_model(name, description=description)
    number = client.get_registered_model(name).aliases.get(CHAMPION)
    return client.get_model_version(name, number) if number is not None else None


def _logged(client: MlflowClient, name: str, package: ModelPackage, evaluation: Evaluation) -> LoggedModel:
    """Log the model as an output of the run that evaluated it, without links to all metrics of the run."""
    run = client.get_run(evaluation.run_id)
    model = client.create_logged_model(
        run.info.experiment_id,
        name,
        source_run_id=evaluation.run_id,
        tags={DATA: evaluation.data},
        params=run.data.params,
        model_type=package.kind,
    )
    client.log_outputs(evaluation.run_id, [LoggedModelOutput(model.model_id, step=0)])
    about = Model(artifact_path=model.artifact_location, run_id=evaluation.run_id, model_id=model.model_id)
    try:
        with TemporaryDirectory() as folder:
            place = Path(folder, "model")
            mlflow.pyfunc.save_model(place, mlflow_model=about, **package.content(Path(folder)))
            client.log_model_artifacts(model.model_id, str(place))
    except Exception:
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    return client.finalize_logged_model(model.model_id, "READY")


def _link_metrics(client: MlflowClient, groups: tuple[str, str], run_id: str, model_id: str) -> None:
    """Link the run's metrics about a model to it, with the data set that they were measured on."""
    run = client.get_run(run_id)
    link = {"model_id": model_id, "run_id": run_id}
    for one in run.inputs.dataset_inputs[:1]:
        link |= {"dataset_name": one.dataset.name, "dataset_digest": one.dataset.digest}
    wanted = [key for key in run.data.metrics if key.startswith(groups)]
    points = [client.get_metric_history(run_id, key)[-1] for key in wanted]
    client.log_batch(run_id, [Metric(**dict(point) | link) for point in points])


if __name__ == "__main__":
    if problem := missing(os.environ["MLFLOW_TRACKING_URI"], sys.argv[1]):
        sys.exit(inert(problem))

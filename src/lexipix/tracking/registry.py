"""Registers the generator and the captioner of an evaluation, and promotes them where they are better."""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from lexipix.config.root import LexipixParameters
from lexipix.tracking.lineage import experiment_name
from lexipix.tracking.promotion import Decision, Measured, decide
from lexipix.utils.project_paths import store_exists

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

    from lexipix.tracking.model_packages import Bundle

_log = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"
DATA = "data"
METRIC = "metric."  # prefix of a metric's name among a version's tags
# The UI reads this tag to list the registered versions of a model
REGISTERED_AS = "mlflow.modelVersions"


@dataclass(frozen=True)
class Evaluation:
    """A finished evaluation.

    Attributes:
        run_id: The MLflow run, still open.
        env: Kedro's environment; each has its own registered models, since only models of the same data
            compare.
        data: Digest of the images.
        metrics: The content of ``metrics.json``.
        parameters: The run's parameters.
        path: Dataset's name -> its file or folder.
    """

    run_id: str
    env: str | None
    data: str
    metrics: Mapping[str, Any]
    parameters: LexipixParameters
    path: Callable[[str], Path]


@dataclass(frozen=True)
class _Kind:
    """One of the two models: its name, its package, and the groups of metrics about it."""

    name: str
    bundle: "Bundle"
    quality: str
    speed: str
    gated: Sequence[str]
    description: str


def register(evaluation: Evaluation) -> None:
    """Register both models. A failure is a warning: the results themselves are saved."""
    for package in (_generator, _captioner):
        try:
            kind = package(evaluation)
            version, decision = _register(kind, evaluation)
            _log.info("%s, version %s: %s", version.name, version.version, decision.reason)
        except Exception as error:
            first_line = next(iter(str(error).splitlines()), type(error).__name__)
            _log.warning("MLflow: not all models could be registered (%s).", first_line)


def registered_name(kind: str, env: str | None) -> str:
    """A registered model's name: ``lexipix-generator``, or ``lexipix-generator-ENV`` outside of base."""
    return f"lexipix-{kind}{experiment_name(env).removeprefix('lexipix')}"


def missing(store: str, name: str) -> str | None:
    """The reason why a registered model cannot be served, and what to do; None if it can.

    Args:
        store: The tracking store's address.
        name: The registered model's name.
    """
    if not store_exists(store):
        return f"{store} has no runs yet: `make run` trains and registers the models."
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=store).search_registered_models()
    known = [model.name for model in found if CHAMPION in model.aliases]
    if name in known:
        return None
    choice = f"choose from {', '.join(known)}" if known else "`make run` registers the first"
    return f"No model {name} with the alias {CHAMPION} is registered in {store}: {choice}."


def _generator(evaluation: Evaluation) -> _Kind:
    from lexipix.compression.quality import GATED
    from lexipix.tracking.model_packages import generator

    bundle = generator(evaluation.path, evaluation.parameters)
    name = registered_name("generator", evaluation.env)
    description = "Generates images from prompts; returns PNG files in base64."
    return _Kind(name, bundle, "text.champion", "speed.champion", GATED, description)


def _captioner(evaluation: Evaluation) -> _Kind:
    from lexipix.compression.captioner_variants import GATED
    from lexipix.tracking.model_packages import captioner

    bundle = captioner(evaluation.path, evaluation.parameters)
    name = registered_name("captioner", evaluation.env)
    description = "Captions images, given as files in base64."
    return _Kind(name, bundle, "captioner", "captioner_speed.champion", GATED, description)


def _register(kind: _Kind, evaluation: Evaluation) -> "tuple[ModelVersion, Decision]":
    from mlflow import MlflowClient

    client = MlflowClient()
    metrics = _numbers_under(evaluation.metrics, kind.quality)
    measured = Measured(evaluation.data, metrics)
    before = _champion(client, kind)
    max_loss = evaluation.parameters.compression.champion.max_quality_loss
    decision = decide(measured, _measured(before) if before else None, kind.gated, max_loss)
    model = _logged(client, kind, evaluation)
    _link_metrics(client, kind, evaluation, model)
    version = client.create_model_version(
        kind.name,
        f"models:/{model.model_id}",
        run_id=evaluation.run_id,
        model_id=model.model_id,
        description=decision.reason,
        tags={
            "decision": "promoted" if decision.promoted else "not promoted",
            "reason": decision.reason,
            "compared_with": before.version if before else "none",
            DATA: evaluation.data,
            **{f"{METRIC}{name}": repr(value) for name, value in metrics.items()},
        },
    )
    registered_as = [{"name": kind.name, "version": version.version}]
    client.set_logged_model_tags(model.model_id, {REGISTERED_AS: json.dumps(registered_as)})
    client.set_registered_model_alias(kind.name, CHALLENGER, version.version)
    if decision.promoted:
        client.set_registered_model_alias(kind.name, CHAMPION, version.version)
    return version, decision


def _champion(client: "MlflowClient", kind: _Kind) -> "ModelVersion | None":
    """The champion's version; the registered model is created where it is missing."""
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(kind.name)
    except MlflowException:
        description = f"{kind.description} Serve it with `make serve MODEL={kind.name}`."
        client.create_registered_model(kind.name, description=description)
        return None
    number = model.aliases.get(CHAMPION)
    return client.get_model_version(kind.name, number) if number is not None else None


def _measured(version: "ModelVersion") -> Measured:
    metrics = {
        key.removeprefix(METRIC): float(value)
        for key, value in version.tags.items()
        if key.startswith(METRIC)
    }
    return Measured(version.tags.get(DATA, ""), metrics)


def _logged(client: "MlflowClient", kind: _Kind, evaluation: Evaluation) -> "LoggedModel":
    """Log the model as an output of the run that evaluated it.

    ``mlflow.pyfunc.log_model`` would also link every metric of the run to the model, system metrics included.
    """
    import mlflow
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    run = client.get_run(evaluation.run_id)
    model = client.create_logged_model(
        run.info.experiment_id,
        kind.name,
        source_run_id=evaluation.run_id,
        tags={DATA: evaluation.data},
        params=run.data.params,
        model_type=kind.bundle.module.rpartition(".")[2],
    )
    client.log_outputs(evaluation.run_id, [LoggedModelOutput(model.model_id, step=0)])
    try:
        with TemporaryDirectory() as folder:
            place = Path(folder)
            mlflow.pyfunc.save_model(
                place / "model",
                mlflow_model=Model(
                    artifact_path=model.artifact_location, run_id=evaluation.run_id, model_id=model.model_id
                ),
                python_model=str(kind.bundle.code),
                code_paths=[str(kind.bundle.copy_code(place))],
                artifacts={"model": str(kind.bundle.folder)},
                model_config=dict(kind.bundle.config),
                pip_requirements=kind.bundle.requirements,
                signature=kind.bundle.signature,
                input_example=kind.bundle.input_example,
            )
            client.log_model_artifacts(model.model_id, str(place / "model"))
    except Exception:
        client.finalize_logged_model(model.model_id, "FAILED")
        raise
    return client.finalize_logged_model(model.model_id, "READY")


def _link_metrics(client: "MlflowClient", kind: _Kind, evaluation: Evaluation, model: "LoggedModel") -> None:
    """Link the run's metrics about the model to it, with the data set that they were measured on."""
    from mlflow.entities import Metric

    run = client.get_run(evaluation.run_id)
    data_sets = [one.dataset for one in run.inputs.dataset_inputs]
    name, digest = (data_sets[0].name, data_sets[0].digest) if data_sets else (None, None)
    wanted = [key for key in run.data.metrics if key.startswith((f"{kind.quality}.", f"{kind.speed}."))]
    points = [client.get_metric_history(evaluation.run_id, key)[-1] for key in wanted]
    client.log_batch(
        evaluation.run_id,
        [
            Metric(
                point.key,
                point.value,
                point.timestamp,
                point.step,
                model_id=model.model_id,
                dataset_name=name,
                dataset_digest=digest,
                run_id=evaluation.run_id,
            )
            for point in points
        ],
    )


def _numbers_under(metrics: Mapping[str, Any], key: str) -> dict[str, float]:
    """The numbers of a group of metrics, given by its dotted key; empty if the group is absent."""
    group: Any = metrics
    for part in key.split("."):
        group = group.get(part, {})
    return {name: float(value) for name, value in group.items() if isinstance(value, int | float)}


if __name__ == "__main__":
    sys.exit(missing(os.environ["MLFLOW_TRACKING_URI"], sys.argv[1]))

"""After an evaluation: both models to MLflow's registry, and whether they take the champions' places."""

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
from lexipix.utils.project_paths import is_begun

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModel
    from mlflow.entities.model_registry import ModelVersion

    from lexipix.tracking.model_packages import Bundle

_log = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"
DATA = "data"
FIGURE = "figure."  # in front of a figure's name among a version's tags
# Where the UI's page of a model finds the versions that it is registered as
REGISTERED_AS = "mlflow.modelVersions"


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found, and what it looked at.

    Attributes:
        run_id: The MLflow run, still open.
        env: Kedro's environment; each has models of its own, since only those of the same data compare.
        data: Digest of the pictures.
        metrics: What ``metrics.json`` holds.
        parameters: The run's.
        place: Where a dataset of the catalog lies.
    """

    run_id: str
    env: str | None
    data: str
    metrics: Mapping[str, Any]
    parameters: LexipixParameters
    place: Callable[[str], Path]


@dataclass(frozen=True)
class _Kind:
    """One of the two models: its name, what is in it, and which of the run's metrics are about it."""

    name: str
    bundle: "Bundle"
    quality: str
    speed: str
    gated: Sequence[str]
    says: str


def register(evaluation: Evaluation) -> None:
    """Register both models; trouble is a warning, since the results are there already."""
    for make in (_generator, _captioner):
        try:
            kind = make(evaluation)
            version, decision = _register(kind, evaluation)
            _log.info("%s, version %s: %s", version.name, version.version, decision.reason)
        except Exception as error:
            first_line = next(iter(str(error).splitlines()), type(error).__name__)
            _log.warning("The models are not all in MLflow's registry (%s).", first_line)


def registered_name(kind: str, env: str | None) -> str:
    """Name a registered model: ``lexipix-generator``, and ``lexipix-generator-ENV`` in other environments."""
    return f"lexipix-{kind}{experiment_name(env).removeprefix('lexipix')}"


def missing(store: str, name: str) -> str | None:
    """Say why a registered model cannot be served, and what to do; None if it can.

    Args:
        store: The tracking store's address.
        name: Of the registered model.
    """
    if not is_begun(store):
        return f"There is no run yet in {store}: `make run` trains and registers the models."
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri=store).search_registered_models()
    known = [model.name for model in found if CHAMPION in model.aliases]
    if name in known:
        return None
    choice = f"choose from {', '.join(known)}" if known else "a finished `make run` registers the first"
    return f"No model {name} with the alias {CHAMPION} is registered in {store}: {choice}."


def _generator(evaluation: Evaluation) -> _Kind:
    from lexipix.compression.quality import GATED
    from lexipix.tracking.model_packages import generator

    bundle = generator(evaluation.place, evaluation.parameters)
    name = registered_name("generator", evaluation.env)
    says = "Draws pictures of prompts; answers with PNG files in base64."
    return _Kind(name, bundle, "text.champion", "speed.champion", GATED, says)


def _captioner(evaluation: Evaluation) -> _Kind:
    from lexipix.compression.captioner_variants import GATED
    from lexipix.tracking.model_packages import captioner

    bundle = captioner(evaluation.place, evaluation.parameters)
    name = registered_name("captioner", evaluation.env)
    says = "Describes pictures, given as files in base64."
    return _Kind(name, bundle, "captioner", "captioner_speed.champion", GATED, says)


def _register(kind: _Kind, evaluation: Evaluation) -> "tuple[ModelVersion, Decision]":
    from mlflow import MlflowClient

    client = MlflowClient()
    figures = _numbers_under(evaluation.metrics, kind.quality)
    measured = Measured(evaluation.data, figures)
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
            **{f"{FIGURE}{name}": repr(value) for name, value in figures.items()},
        },
    )
    registered_as = [{"name": kind.name, "version": version.version}]
    client.set_logged_model_tags(model.model_id, {REGISTERED_AS: json.dumps(registered_as)})
    client.set_registered_model_alias(kind.name, CHALLENGER, version.version)
    if decision.promoted:
        client.set_registered_model_alias(kind.name, CHAMPION, version.version)
    return version, decision


def _champion(client: "MlflowClient", kind: _Kind) -> "ModelVersion | None":
    """The version in use; the model is made where there is none of that name."""
    from mlflow.exceptions import MlflowException

    try:
        model = client.get_registered_model(kind.name)
    except MlflowException:
        says = f"{kind.says} Serve it with `make serve MODEL={kind.name}`."
        client.create_registered_model(kind.name, description=says)
        return None
    number = model.aliases.get(CHAMPION)
    return client.get_model_version(kind.name, number) if number is not None else None


def _measured(version: "ModelVersion") -> Measured:
    figures = {
        key.removeprefix(FIGURE): float(value)
        for key, value in version.tags.items()
        if key.startswith(FIGURE)
    }
    return Measured(version.tags.get(DATA, ""), figures)


def _logged(client: "MlflowClient", kind: _Kind, evaluation: Evaluation) -> "LoggedModel":
    """Write the model beside the run that evaluated it.

    ``mlflow.pyfunc.log_model`` would do this and give the model every metric that the run has, the machine's
    load among them.
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
    """Give the model those of the run's metrics that are about it, as measured on the run's data set."""
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
    """The figures of a group, named by a dotted key; none where it does not apply to the data."""
    group: Any = metrics
    for part in key.split("."):
        group = group.get(part, {})
    return {name: float(value) for name, value in group.items() if isinstance(value, int | float)}


if __name__ == "__main__":
    sys.exit(missing(os.environ["MLFLOW_TRACKING_URI"], sys.argv[1]))

"""One MLflow run for each Kedro run: where it is kept, what is written to it, how it ends."""

import atexit
import importlib.util
import json
import logging
import math
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lexipix.datasets.files import plain
from lexipix.repro import dvc_runs as repro
from lexipix.tracking import provenance
from lexipix.tracking.lineage import command, experiment_name, flatten, run_name, tags
from lexipix.tracking.tables import log_table
from lexipix.tracking.views import experiment_tags, run_links
from lexipix.utils.errors import LexipixError
from lexipix.utils.git import uncommitted
from lexipix.utils.project_paths import project_root

_log = logging.getLogger(__name__)

# The artifact with what the code has over its revision, where it has something
CHANGES, MAX_CHANGES = "code.diff", 10_000_000


def enabled() -> bool:
    """Tell whether runs are tracked; ``LEXIPIX_MLFLOW=0`` says no."""
    return os.environ.get("LEXIPIX_MLFLOW") != "0"


def store(project_path: Path) -> str:
    """Give the tracking store's address: ``MLFLOW_TRACKING_URI``, else SQLite in the project.

    The path is absolute, or a notebook would begin a second store beside itself.
    """
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{project_root(project_path) / 'mlflow.db'}"


def numbers(data: Any, prefix: str = "") -> Iterator[tuple[str, float]]:
    """Give the finite numbers of nested mappings with dotted keys; texts and flags are left out."""
    for key, value in flatten(plain(data) if isinstance(data, Mapping) else {}):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield f"{prefix}{key}", float(value)


class TrackedRun:
    """The MLflow run that belongs to a Kedro run.

    Args:
        project_path: The Kedro project.
        run_params: What Kedro tells its hooks of a run.
        parameters: The parameters of the sections that take part, as plain values.

    Raises:
        LexipixError: The store cannot be used; told before the first node, not after an hour's training.
    """

    def __init__(
        self, project_path: Path, run_params: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> None:
        import mlflow

        address, changes = store(project_path), uncommitted()
        own = tags(run_params, parameters.get("run", {}).get("seed"), bool(changes))
        try:
            mlflow.set_tracking_uri(address)
            self._client = mlflow.MlflowClient()
            experiment = self._experiment(experiment_name(run_params.get("env")), address, project_path)
            self._parent = repro.parent(self._client, experiment, own["env"], own)
            self._run = mlflow.start_run(
                experiment_id=experiment,
                run_name=run_name(run_params),
                nested=mlflow.active_run() is not None,
                parent_run_id=self._parent,
                tags=own,
                log_system_metrics=importlib.util.find_spec("psutil") is not None,
            )
            values = {key: _text(value) for key, value in flatten(parameters)}
            for start in range(0, len(values), 100):  # MLflow takes a hundred at a time
                mlflow.log_params(dict(list(values.items())[start : start + 100]))
            if changes and len(changes) <= MAX_CHANGES:
                mlflow.log_text(changes, CHANGES)
        except Exception as error:
            raise LexipixError(
                f"The MLflow store {address} cannot be used ({_first_line(error)}): mend it, set "
                "MLFLOW_TRACKING_URI to another one, or set LEXIPIX_MLFLOW=0 to run without tracking."
            ) from error
        self._command = command(run_params)
        self._pictures: dict[str, str] = {}
        self._made_from: dict[str, str] = {}
        self._pages: dict[str, str] = {}
        self._open = True
        # MLflow's own exit handler would call an interrupted run FINISHED; this one is registered later
        # and therefore runs before it.
        atexit.register(self.end, "KILLED")

    @property
    def run_id(self) -> str:
        """The run's id in the store."""
        return str(self._run.info.run_id)

    def log_costs(
        self,
        taken: Mapping[str, Mapping[str, float | None]],
        expected: Mapping[str, Mapping[str, float | None]],
    ) -> None:
        """Write what each node took, and what was expected of it.

        Args:
            taken: ``seconds`` and, where the system tells it, ``peak_mb``, by node.
            expected: The same; empty without an estimate.
        """
        import mlflow

        for prefix, costs in (("", taken), ("estimated_", expected)):
            mlflow.log_metrics(
                {
                    f"{prefix}{figure}.{name}": value
                    for name, cost in costs.items()
                    for figure, value in cost.items()
                    if value is not None
                }
            )

    def log(self, name: str, data: Any, wishes: Mapping[str, Any], path: Path | None) -> None:
        """Write a saved dataset to the run as its catalog entry wishes.

        Args:
            name: The dataset's name.
            data: What was saved.
            wishes: ``image: KEY`` (one picture), ``artifact: FOLDER``, ``metrics: true`` or a prefix,
                ``table: FILE.json``; any of them together.
            path: Where the dataset lies, for artifacts.
        """
        import mlflow

        try:
            if key := wishes.get("image"):
                mlflow.log_image(data, key=key, step=0)
                if path is not None:
                    mlflow.log_artifact(str(path), artifact_path="pictures")
                    self._pictures[key] = f"pictures/{path.name}"
            if (folder := wishes.get("artifact")) and path is not None:
                if path.is_dir():
                    mlflow.log_artifacts(str(path), artifact_path=f"{folder}/{path.name}")
                else:
                    mlflow.log_artifact(str(path), artifact_path=folder)
                    if path.suffix == ".html":
                        self._pages[path.stem] = f"{folder}/{path.name}"
            if prefix := wishes.get("metrics"):
                mlflow.log_metrics(dict(numbers(data, "" if prefix is True else f"{prefix}.")))
            if file := wishes.get("table"):
                log_table(data, file)
                self._pages[Path(file).parent.name] = file
        except Exception as error:  # the result is saved already; a missing copy is no reason to lose the run
            _log.warning("Tracking: %s is not in the MLflow run (%s).", name, _first_line(error))

    def log_lineage(self, found: Mapping[str, Any]) -> None:
        """Write what the run read and wrote, and which runs had made what it read.

        Args:
            found: As :meth:`lexipix.tracking.provenance.Provenance.found` gives it.
        """
        import mlflow

        try:
            made = provenance.makers(self._client, self._run.info.experiment_id, found["inputs"])
            inputs = {
                name: facts | ({"made_by": made[name]} if name in made else {})
                for name, facts in found["inputs"].items()
            }
            mlflow.log_text(provenance.as_json({**found, "inputs": inputs}), provenance.FILE)
            mlflow.set_tag(provenance.OUTPUTS, provenance.outputs_tag(found["outputs"]))
            if made:
                mlflow.set_tag(provenance.MADE_FROM, " ".join(dict.fromkeys(made.values())))
            self._made_from = made
        except Exception as error:
            _log.warning("Tracking: the run's lineage is not complete (%s).", _first_line(error))

    def log_data_set(self, summary: Mapping[str, Any], digest: str | None) -> None:
        """Name the data set that the run worked on.

        Args:
            summary: What the ingestion says of it.
            digest: Of the pictures, as DVC counts it: the 36 characters that MLflow takes. None where they
                are not kept as a folder: then it is the summary's own.
        """
        import mlflow
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset

        try:
            facts = {
                key: _text(value) for key, value in summary.items() if not isinstance(value, list | dict)
            }
            source = CodeDatasetSource(tags=facts)
            data_set = MetaDataset(
                source,
                name=str(summary.get("source", "pictures")),
                digest=digest or str(summary.get("digest", ""))[:36] or None,
            )
            mlflow.log_input(data_set, context="pictures")
        except Exception as error:
            _log.warning("Tracking: the data set is not named in the MLflow run (%s).", _first_line(error))

    def end(self, status: str, error: BaseException | None = None) -> None:
        """Close the run as FINISHED, FAILED or KILLED; closing it twice does nothing."""
        if not self._open:
            return
        self._open = False
        import mlflow

        try:
            mlflow.flush_async_logging()
            if error is not None:
                mlflow.set_tag("error", f"{type(error).__name__}: {error}"[:5000])
            mlflow.set_tag("mlflow.note.content", self._note())
        except Exception as trouble:
            _log.warning("Tracking: the MLflow run is not complete (%s).", _first_line(trouble))
        finally:
            mlflow.end_run(status)
            atexit.unregister(self.end)
        if self._parent is not None:
            try:
                repro.close(self._client, self._parent, self._client.get_run(self.run_id), status)
            except Exception as trouble:
                _log.warning("Tracking: the parent run is not complete (%s).", _first_line(trouble))

    def _note(self) -> str:
        """Describe the run on its first page: how to repeat it, and what it drew.

        MLflow's own cards for pictures write every parameter of the run above each, which leaves them no
        room; here they are seen at their full size.
        """
        lines = [f"`{self._command}`", "", run_links(self._run.info.experiment_id, self.run_id, self._pages)]
        for maker in dict.fromkeys(self._made_from.values()):
            names = ", ".join(name for name, one in self._made_from.items() if one == maker)
            place = f"#/experiments/{self._run.info.experiment_id}/runs/{maker}"
            lines += ["", f"{names}: made by [run {maker[:8]}]({place})"]
        for key, path in reversed(self._pictures.items()):  # what came out before what went in
            lines += [
                "",
                f"**{key}**",
                "",
                f"![{key}](get-artifact?path={quote(path)}&run_uuid={self.run_id})",
            ]
        return "\n".join(lines)

    @staticmethod
    def _experiment(name: str, address: str, project_path: Path) -> str:
        import mlflow

        client = mlflow.MlflowClient()
        for attempt in range(3):
            known = client.get_experiment_by_name(name)
            if known is not None:
                if known.lifecycle_stage == "deleted":
                    client.restore_experiment(known.experiment_id)
                for key, value in experiment_tags(known.experiment_id).items():
                    if key not in known.tags:  # what a user has changed since stays
                        client.set_experiment_tag(known.experiment_id, key, value)
                return str(known.experiment_id)
            local = address.startswith("sqlite:")
            root = project_root(project_path) / "mlartifacts" / name
            try:
                client.create_experiment(name, artifact_location=root.as_uri() if local else None)
            except mlflow.MlflowException:  # another run has just made it
                time.sleep(0.2 * (attempt + 1))
        raise RuntimeError(f"the experiment {name} can neither be found nor made")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(plain(value), ensure_ascii=False, default=str)


def _first_line(error: BaseException) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)

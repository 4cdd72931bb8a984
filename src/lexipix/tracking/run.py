"""One MLflow run for each Kedro run: where it is stored, what is logged to it, how it ends."""

import atexit
import json
import logging
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lexipix.datasets.files import plain
from lexipix.datasets.metric_stream import stream_to
from lexipix.repro.dvc_runs import PROCESS, end_parent, start_parent
from lexipix.tracking import provenance
from lexipix.tracking.lineage import experiment_name, run_name, tags
from lexipix.tracking.reachability import Server
from lexipix.tracking.stores import WITHOUT, open_or_create_store, unusable
from lexipix.tracking.tables import log_table
from lexipix.tracking.views import experiment_tags, run_links
from lexipix.utils.errors import database_error, reason
from lexipix.utils.git import uncommitted
from lexipix.utils.logging import warn_on_failure
from lexipix.utils.nested import flatten
from lexipix.utils.processes import has_ended, process_name
from lexipix.utils.project_paths import SQLITE, project_root
from lexipix.utils.secrets import without_secrets

_log = logging.getLogger(__name__)

# ``seconds``, and ``peak_mb`` (MB of resident memory), None where the system does not report it
Cost = Mapping[str, float | None]
# Artifact with the uncommitted changes of the code, if there are any; its largest size in characters
CHANGES, MAX_CHANGES = "code.diff", 10_000_000
# Seconds that a run waits in all for a database that another process has locked, and between two attempts
PATIENCE, PAUSE = 120.0, 1.0
_MLFLOW = "MLflow:"  # begins every warning


def enabled() -> bool:
    """Whether runs are tracked; ``LEXIPIX_MLFLOW=0`` switches tracking off."""
    return os.environ.get("LEXIPIX_MLFLOW") != "0"


def store(project_path: Path) -> str:
    """The tracking store's address: ``MLFLOW_TRACKING_URI``, else SQLite in the project."""
    # Absolute: with a relative path, a notebook would create a second store in its own folder
    return os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{project_root(project_path) / 'mlflow.db'}"


def numbers(data: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, float]]:
    """The finite numbers of nested mappings, with dotted keys."""
    for key, value in flatten(plain(data)):
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            yield f"{prefix}{key}", float(value)


class TrackedRun:
    """The MLflow run of a Kedro run; every call names it, so that any thread may log.

    ``run_params`` is Kedro's description of the run, as its hooks receive it; ``parameters`` are those of the
    sections that the run uses, as plain values.

    Raises:
        LexipixError: The store cannot be used; raised before the first node runs.
    """

    def __init__(
        self, project_path: Path, run_params: Mapping[str, Any], parameters: Mapping[str, Any]
    ) -> None:
        import mlflow

        address, changes = store(project_path), uncommitted()
        own = tags(run_params, parameters.get("run", {}).get("seed"), changes) | {PROCESS: process_name()}
        own = {key: _text(tag) for key, tag in own.items()}
        self._server = Server(address)
        before = mlflow.active_run()
        self._client = open_or_create_store(address)
        try:
            mlflow.set_tracking_uri(address)
            experiment = _experiment(
                self._client, experiment_name(run_params.get("env")), address, project_path
            )
            _end_killed(self._client, experiment)
            self._parent = start_parent(self._client, experiment, own["env"], own)
            run = mlflow.start_run(
                experiment_id=experiment,
                run_name=run_name(run_params),
                nested=before is not None,
                parent_run_id=self._parent,
                tags=own,
                log_system_metrics=True,
            )
            self.run_id, self._experiment = str(run.info.run_id), experiment
            from mlflow.entities import Param

            params = [Param(key, without_secrets(_text(value))) for key, value in flatten(parameters)]
            self._client.log_batch(self.run_id, params=params)
            if changes and len(changes) <= MAX_CHANGES:
                self._log_changes(changes)
        except Exception as error:
            if mlflow.active_run() is not before:  # otherwise MLflow would call it finished at the end
                with suppress(Exception):
                    mlflow.end_run("FAILED")
            raise unusable(address, error, WITHOUT) from error
        stream_to(self._client, self.run_id)
        self._command = own["command"]
        self._images: list[str] = []
        self._made_from: dict[str, str] = {}
        self._pages: dict[str, str] = {}
        self._patience = PATIENCE
        self._open = True
        # MLflow's own exit handler would mark an interrupted run as FINISHED. Handlers run in reverse order,
        # so this one comes first.
        atexit.register(self.end, "KILLED")

    def log_costs(self, costs: Mapping[str, Cost], estimate: Mapping[str, Cost]) -> None:
        """Log what each node took, and what was estimated; ``estimate`` is empty without an estimate."""
        figures = {
            f"{prefix}{metric}.{name}": value
            for prefix, nodes in (("", costs), ("estimated_", estimate))
            for name, cost in nodes.items()
            for metric, value in cost.items()
            if value is not None
        }
        self._attempt("the costs could not be logged", lambda: self._log_metrics(figures))

    def log(self, name: str, data: Any, targets: Mapping[str, Any], path: Path | None) -> None:
        """Log a saved dataset with its file or folder. A failure is a warning: the result itself is saved.

        ``targets`` is ``metadata.mlflow`` of its catalog entry, any of ``image: KEY``, ``artifact: FOLDER``,
        ``metrics: true`` or a prefix, ``table: FILE.json``.
        """
        failure = f"{name} could not be logged"
        if key := targets.get("image"):
            image = partial(self._client.log_image, self.run_id, data, key=key, step=0)
            if self._attempt(failure, image):
                self._images.append(key)
        if (folder := targets.get("artifact")) and path is not None:
            artifact = partial(self._client.log_artifact, self.run_id, str(path), folder)
            if self._attempt(failure, artifact) and path.suffix == ".html":
                self._pages[path.stem] = f"{folder}/{path.name}"
        if prefix := targets.get("metrics"):
            figures = partial(numbers, data, "" if prefix is True else f"{prefix}.")
            self._attempt(failure, lambda: self._log_metrics(dict(figures())))
        if (file := targets.get("table")) and self._attempt(
            failure, partial(log_table, self._client, self.run_id, data, file)
        ):
            self._pages[Path(file).parent.name] = file

    def log_lineage(self, lineage: Mapping[str, Any]) -> None:
        """Log the run's inputs and outputs, as Provenance gives them, and the runs that made its inputs."""
        self._attempt("the run's lineage could not be logged", lambda: self._log_lineage(lineage))

    def log_data_set(self, summary: Mapping[str, Any], digest: str | None) -> None:
        """Log the data set of the run, by the ingestion's summary and, where there is one, DVC's digest."""
        self._attempt("the data set could not be logged", lambda: self._log_data_set(summary, digest))

    def end(self, status: str, error: BaseException | None = None) -> None:
        """End the run as FINISHED, FAILED or KILLED; a second call does nothing, and none fails."""
        if not self._open:
            return
        self._open = False
        import mlflow

        stream_to(None)
        with warn_on_failure(f"{_MLFLOW} the run is not complete"):
            if self._server.answers():
                mlflow.flush_async_logging()
        if error is not None:
            text = _text(without_secrets(f"{type(error).__name__}: {error}"))[:5000]
            self._attempt("the error is not kept", lambda: self._client.set_tag(self.run_id, "error", text))
        self._attempt(
            "the run has no description",
            lambda: self._client.set_tag(self.run_id, "mlflow.note.content", self._note()),
        )
        self._attempt(
            "the run stays RUNNING in the store", lambda: self._client.set_terminated(self.run_id, status)
        )
        if not self._server.answers():
            self._server.give_up()
        with suppress(Exception):  # ends what MLflow itself keeps about the run, such as system metrics
            mlflow.end_run(status)
        atexit.unregister(self.end)
        if (parent := self._parent) is not None:
            self._attempt(
                "the parent run is not complete",
                lambda: end_parent(self._client, parent, self._client.get_run(self.run_id), status),
            )

    def _attempt(self, failure: str, action: Callable[[], Any]) -> bool:
        """Log something. An error is a warning; a locked database is tried again while patience lasts."""
        while True:
            if not self._server.answers():
                _log.warning("%s %s (the server does not answer).", _MLFLOW, failure)
                return False
            began = time.monotonic()
            try:
                action()
                return True
            except Exception as error:
                if self._patience > 0 and "locked" in str(database_error(error)):
                    time.sleep(PAUSE)
                    self._patience -= time.monotonic() - began
                    continue
                _log.warning("%s %s (%s).", _MLFLOW, failure, reason(error))
                return False

    def _log_changes(self, changes: str) -> None:
        """Log a patch with the bytes that git gave, which need not be UTF-8."""
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder, CHANGES)
            file.write_bytes(without_secrets(changes).encode("utf-8", "surrogateescape"))
            self._client.log_artifact(self.run_id, str(file))

    def _log_metrics(self, figures: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(
            self.run_id, [Metric(key, float(value), now, 0) for key, value in figures.items()]
        )

    def _log_lineage(self, lineage: Mapping[str, Any]) -> None:
        makers = provenance.find_makers(self._client, self._experiment, lineage["inputs"])
        inputs = {
            name: facts | ({"made_by": makers[name]} if name in makers else {})
            for name, facts in lineage["inputs"].items()
        }
        text = json.dumps({**lineage, "inputs": inputs}, indent=2) + "\n"
        self._client.log_text(self.run_id, text, provenance.FILE)
        self._client.set_tag(self.run_id, provenance.OUTPUTS, provenance.outputs_tag(lineage["outputs"]))
        if makers:
            made_from = " ".join(dict.fromkeys(makers.values()))
            self._client.set_tag(self.run_id, provenance.MADE_FROM, made_from)
        self._made_from = makers

    def _log_data_set(self, summary: Mapping[str, Any], digest: str | None) -> None:
        from mlflow.data.code_dataset_source import CodeDatasetSource
        from mlflow.data.meta_dataset import MetaDataset
        from mlflow.entities import DatasetInput, InputTag

        facts = {key: _text(value) for key, value in summary.items() if not isinstance(value, list | dict)}
        data_set = MetaDataset(
            CodeDatasetSource(tags=facts),
            name=_text(summary.get("source", "pictures")),
            digest=digest or str(summary.get("digest", ""))[:36] or None,
        )
        context = InputTag("mlflow.data.context", "pictures")
        self._client.log_inputs(self.run_id, [DatasetInput(data_set._to_mlflow_entity(), [context])])

    def _note(self) -> str:
        """The run's description: its command, links, and its images, too small in MLflow's own cards."""
        lines = [f"`{self._command}`", "", run_links(self._experiment, self.run_id, self._pages)]
        for maker in dict.fromkeys(self._made_from.values()):
            names = ", ".join(name for name, run_id in self._made_from.items() if run_id == maker)
            page = f"#/experiments/{self._experiment}/runs/{maker}"
            lines += ["", f"{names}: made by [run {maker[:8]}]({page})"]
        # KEY+step+…, with ~ for / in the key
        files = [file.path for file in self._client.list_artifacts(self.run_id, "images")]
        paths = {path.partition("+")[0]: path for path in files if path.endswith(".png")}
        for key in reversed(self._images):  # the latest results first
            if path := paths.get(f"images/{key.replace('/', '~')}"):
                image = f"get-artifact?path={quote(path)}&run_uuid={self.run_id}"
                lines += ["", f"**{key}**", "", f"![{key}]({image})"]
        return "\n".join(lines)


def _experiment(client: Any, name: str, address: str, project_path: Path) -> str:
    """The experiment's id; the experiment is created or restored where needed."""
    import mlflow

    if client.get_experiment_by_name(name) is None:
        local = address.startswith("sqlite:")
        root = project_root(project_path) / "mlartifacts" / name
        try:
            client.create_experiment(name, artifact_location=root.as_uri() if local else None)
        except mlflow.MlflowException:
            if client.get_experiment_by_name(name) is None:  # otherwise another run has just created it
                raise
    known = client.get_experiment_by_name(name)
    if known.lifecycle_stage == "deleted":
        client.restore_experiment(known.experiment_id)
    for key, value in experiment_tags(known.experiment_id).items():
        if key not in known.tags:  # a user may have changed it
            client.set_experiment_tag(known.experiment_id, key, value)
    return str(known.experiment_id)


def _end_killed(client: Any, experiment: str) -> None:
    """End the runs whose process was killed on this machine, and with them their parent runs."""
    for run in client.search_runs([experiment], "attributes.status = 'RUNNING'", max_results=1000):
        if has_ended(run.data.tags.get(PROCESS, "")):
            client.set_terminated(run.info.run_id, "KILLED")


def _text(value: Any) -> str:
    """A value as text that every store takes: bytes that are not UTF-8, as in file names, are escaped."""
    text = value if isinstance(value, str) else json.dumps(plain(value), ensure_ascii=False, default=str)
    return text.encode("utf-8", "backslashreplace").decode()

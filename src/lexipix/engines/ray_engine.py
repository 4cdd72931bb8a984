"""The engine of a Ray cluster: parts are Ray Core tasks, trainings run under Ray Train.

Only functions that can be imported, plain values and paths go to the workers; results that are large go to a
disk that all machines share.
"""

import logging
import os
import secrets
import socket
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from lexipix.config.engine import EngineParameters
from lexipix.engines.base import Content, Engine, Part, Result, Trained
from lexipix.engines.mapped_files import arrays_cross_as_paths
from lexipix.engines.part_files import part_folder, read_part_file, write_part_file
from lexipix.engines.ray_training import train
from lexipix.engines.ray_workers import Workers, share_machines
from lexipix.utils.errors import LexipixError
from lexipix.utils.machine import share_cores
from lexipix.utils.types import CheckpointStore, MetricStream

_log = logging.getLogger(__name__)

MAX_RETRIES = 5  # of a part whose worker was lost
CONNECT_SECONDS = 10.0
AHEAD = 2  # parts that wait for each worker, so that none is idle while the first result is awaited
CANCEL_SECONDS = 10.0  # for a part to end after an error, before its worker is killed


class RayEngine(Engine):
    """Runs parts and trainings on a cluster, which is started or connected to at the first of them.

    ``folder`` is for the files of parts.
    """

    def __init__(self, parameters: EngineParameters, folder: Path) -> None:
        self.parameters, self.folder = parameters, folder.absolute()
        self._ray: ModuleType | None = None
        self._is_ours = False  # whether this engine connected, and must disconnect

    def map(
        self, function: Callable[..., Result], parts: Sequence[Part], *arguments: Any
    ) -> Iterator[Result]:
        ray, workers = self.connect(), self.workers()
        task = ray.remote(_run_part).options(
            num_cpus=workers.cpus, num_gpus=workers.gpus, max_retries=MAX_RETRIES
        )
        shared, pending = ray.put(arguments), deque[Any]()
        try:
            for part in parts:
                pending.append(task.remote(function, part, shared, workers.cpus))
                if len(pending) >= AHEAD * workers.count:
                    yield _next_result(ray, pending)
            while pending:
                yield _next_result(ray, pending)
        finally:
            _cancel(ray, list(pending))

    def contents(
        self,
        key: Callable[[], str],
        function: Callable[..., Content],
        parts: Sequence[Part],
        *arguments: Any,
    ) -> Iterator[Content]:
        folder = self.folder / key()
        with part_folder(folder):
            for file in self.map(write_part_file, list(enumerate(parts)), folder, function, *arguments):
                yield read_part_file(file)

    def train(
        self,
        function: Callable[..., Trained],
        job: Any,
        batch_size: int,
        stream: MetricStream,
        checkpoints: CheckpointStore,
    ) -> Trained:
        return train(self.connect(), self.workers, function, job, batch_size, stream, checkpoints)

    def connect(self) -> ModuleType:
        """Return the module ``ray``, connected to the cluster.

        Raises:
            LexipixError: The cluster cannot be reached, or a part of Ray is not installed.
        """
        if self._ray is not None:
            return self._ray
        address = self.parameters.address or os.environ.get("RAY_ADDRESS") or "local"
        for name, value in cluster_environment(address).items():
            os.environ.setdefault(name, value)
        options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
        try:
            import ray
            import ray.train  # it asks for packages that `pip install ray` leaves out
        except ImportError as error:
            reason = " ".join(str(error).split())
            raise LexipixError(
                f"engine.kind = ray, but only a part of Ray is installed ({reason:.300}): install the extra "
                "with `pip install '.[ray]'`, or set engine.kind to local."
            ) from error

        arrays_cross_as_paths()
        if not ray.is_initialized():
            try:
                _require_answer(address)
                ray.init(address, namespace="lexipix", **options)
            except (OSError, ValueError, RuntimeError) as error:
                reason = " ".join(str(error).split())
                raise LexipixError(
                    f"engine.address = {self.parameters.address}: the Ray cluster at {address} cannot be "
                    f"reached ({reason:.300}): start it (docs/scale.md), or set engine.kind to local."
                ) from error
            self._is_ours = True
        self._ray = ray
        return self._ray

    def workers(self) -> Workers:
        """Return how many workers the cluster has room for now, and what each of them gets."""
        ray = self.connect()
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        machines = [(int(node.get("CPU", 0)), int(node.get("GPU", 0))) for node in nodes]
        workers = share_machines(machines, self.parameters.workers, self.parameters.gpus_per_worker)
        if not workers.count:
            raise LexipixError(
                f"The Ray cluster has no room for a worker with {workers.cpus} CPUs and {workers.gpus} GPUs: "
                "lower engine.gpus_per_worker, or add machines."
            )
        return workers

    def close(self) -> None:
        if self._ray is not None and self._is_ours:
            self._ray.shutdown()
        self._ray, self._is_ours = None, False


def cluster_environment(address: str) -> dict[str, str]:
    """Return the environment variables that Ray reads when it is imported, where the user has not set them.

    A cluster that this process starts listens on 127.0.0.1 alone, but for the store in which the workers of a
    training find each other, which torch opens on all interfaces.
    """
    # Without a token whoever reaches a node runs code on it
    variables = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}
    if address == "local":
        variables["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
        variables["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        variables["GLOO_SOCKET_IFNAME"] = "lo0" if sys.platform == "darwin" else "lo"
    return variables


def _require_answer(address: str) -> None:
    """Raise an OSError if nothing listens at HOST:PORT, which Ray would say after minutes."""
    host, _, port = address.rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


def _run_part(function: Callable[..., Any], part: Any, arguments: tuple[Any, ...], cpus: int) -> Any:
    """What a task runs."""
    share_cores(cpus)
    return function(part, *arguments)


def _cancel(ray: ModuleType, pending: list[Any]) -> None:
    """End tasks that nobody waits for any more, which else write into folders that are removed by then."""
    with suppress(ray.exceptions.RayError):  # the cluster may be gone
        for force in (False, True):
            if pending:
                for reference in pending:
                    ray.cancel(reference, force=force)
                _, pending = ray.wait(
                    pending, num_returns=len(pending), timeout=CANCEL_SECONDS, fetch_local=False
                )


def _next_result(ray: ModuleType, pending: deque[Any]) -> Any:
    """The result of the first task, which is taken out; an error of our own as it was raised there."""
    try:
        result = ray.get(pending[0])
        pending.popleft()
        return result
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, LexipixError):
            raise LexipixError(str(error.cause)) from error
        raise
    except ray.exceptions.RayError as error:
        reason = str(error).splitlines()[0]
        raise LexipixError(
            f"The Ray cluster lost the same part of the work {MAX_RETRIES + 1} times ({reason:.300}): look "
            "at the memory and the logs of its machines, then run the same command again."
        ) from error

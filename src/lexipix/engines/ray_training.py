"""Trainings under Ray Train: workers on a cluster train one model together."""

import logging
import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from lexipix.engines.base import Trained
from lexipix.engines.ray_workers import Workers, n_training
from lexipix.utils.errors import LexipixError, causes
from lexipix.utils.machine import share_cores
from lexipix.utils.types import CheckpointStore, MetricStream, NullMetricStream

_log = logging.getLogger(__name__)

MAX_STARTS = 8  # of the workers of a training, without a new checkpoint between them
START_SECONDS = "30"  # until workers that cannot be placed are given up: their machine is gone


class RelayedStream(MetricStream):
    """Sends metrics and images to the process of the run, which alone knows the MLflow run."""

    def __init__(self, messages: Any) -> None:
        self._messages = messages

    def log(self, images_seen: int, values: Mapping[str, float]) -> None:
        self._messages.put(("log", (images_seen, dict(values))))

    def image(self, key: str, images_seen: int, image: np.ndarray) -> None:
        self._messages.put(("image", (key, images_seen, image)))


def train(
    ray: ModuleType,
    find_workers: Callable[[], Workers],
    function: Callable[..., Trained],
    job: Any,
    batch_size: int,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> Trained:
    """Return what the first of the workers returns; for the other arguments see :meth:`.Engine.train`.

    ``find_workers`` gives the workers that the cluster has room for now. When one is lost, all start again
    from the last checkpoint, as many as are left: the largest number that divides the batch, with at least
    ``MIN_ROWS`` of its rows each.

    Raises:
        LexipixError: A worker raised one, or workers were lost too often.
        Exception: A worker raised it twice without a new checkpoint between.
    """
    from ray.train import TrainingFailedError
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    failures = Failures(checkpoints)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    messages = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    shared = ray.put((function, job, checkpoints))
    listener = threading.Thread(target=_listen, args=(messages, stream), daemon=True)
    listener.start()
    try:
        while True:
            workers = find_workers()
            count = n_training(batch_size, workers.count)
            _log.info("Training with %d workers on the Ray cluster", count)
            config = {"shared": [shared], "messages": messages, "cpus": workers.cpus}
            try:
                result = _fit(workers, count, config)
                break
            except TrainingFailedError as error:
                failures.add(error)
    finally:
        messages.put(None)
        listener.join()
        messages.shutdown()
    if result is None:  # Ray Train ended the training at Ctrl-C
        raise KeyboardInterrupt
    trained: Trained = result
    return trained


class Failures:
    """The failures of a training's workers since its last checkpoint."""

    def __init__(self, checkpoints: CheckpointStore) -> None:
        self._checkpoints, self._reached = checkpoints, _progress(checkpoints)
        self._n, self._faults = 0, set[tuple[str, str]]()

    def add(self, error: Exception) -> None:
        """Take note of an error of Ray Train, after which the training starts again.

        Raises:
            LexipixError: A worker raised one, or this is the last of ``MAX_STARTS``.
            Exception: A worker raised the same one before, so that it is no loss of a worker.
        """
        failures = _failures(error)
        ours = next((one for one in failures if isinstance(one, LexipixError)), None)
        if ours is not None:
            raise LexipixError(str(ours)) from error
        if (reached := _progress(self._checkpoints)) != self._reached:
            self._reached, self._n, self._faults = reached, 0, set()
        faults = {(type(one).__name__, str(one)): one for one in _faults(error)}
        if again := faults.keys() & self._faults:
            raise faults[next(iter(again))] from error
        self._n, self._faults = self._n + 1, set(faults)
        reason = next(iter(str(failures[-1]).splitlines()), "")
        if self._n == MAX_STARTS:
            raise LexipixError(
                f"The workers of a training failed {MAX_STARTS} times without a new checkpoint between "
                f"({reason:.300}): look at the memory and the logs of the cluster's machines, then run the "
                "same command again, which continues from the last checkpoint."
            ) from error
        _log.warning("The workers of a training failed (%.300s): it starts from its checkpoint.", reason)


def _progress(checkpoints: CheckpointStore) -> tuple[Any, Any] | None:
    """What changes with each checkpoint."""
    saved = checkpoints.load()
    return None if saved is None else (saved[1].get("fingerprint"), saved[1].get("images_seen"))


def _fit(workers: Workers, count: int, config: dict[str, Any]) -> Any:
    """What the first of the workers returns."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    os.environ.setdefault("RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S", START_SECONDS)
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    # The folder is for Ray's notes about the attempt
    with _restored_interrupts(), tempfile.TemporaryDirectory(prefix="lexipix-train-") as folder:
        trainer = TorchTrainer(
            _work,
            train_loop_config=config,
            torch_config=TorchConfig(backend="nccl" if workers.gpus else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=count,
                use_gpu=bool(workers.gpus),
                resources_per_worker={"CPU": workers.cpus} | ({"GPU": workers.gpus} if workers.gpus else {}),
            ),
            run_config=RunConfig(
                storage_path=folder,
                name="training",
                failure_config=FailureConfig(
                    max_failures=0, controller_failure_limit=0, max_preemption_failures=0
                ),
            ),
        )
        return trainer.fit().return_value


@contextmanager
def _restored_interrupts() -> Iterator[None]:
    """Undo what Ray Train, which ends a training gracefully, makes of Ctrl-C from then on."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)


def _work(config: dict[str, Any]) -> Any:
    """What each worker runs, in a process group; the first one returns the result."""
    import ray
    import ray.train

    share_cores(config["cpus"])
    is_first = ray.train.get_context().get_world_rank() == 0
    if is_first:
        logging.basicConfig(level=logging.INFO, format="%(message)s")
    function, job, checkpoints = ray.get(config["shared"][0])
    messages = config["messages"]
    result = function(job, RelayedStream(messages) if is_first else NullMetricStream(), checkpoints)
    return result if is_first else None


def _listen(messages: Any, stream: MetricStream) -> None:
    """Pass on what the first worker sends, until the run sends None."""
    while (message := messages.get()) is not None:
        kind, values = message
        getattr(stream, kind)(*values)


def _failures(error: Exception) -> list[BaseException]:
    """An error of Ray Train, and those of its workers with what caused them."""
    found = list(causes(error))
    for one in getattr(error, "worker_failures", {}).values():
        found += causes(one)
        found += causes(getattr(one, "_base_exc", one))
    return found


def _faults(error: Exception) -> list[BaseException]:
    """What the functions of workers raised themselves, unless another worker's loss made them."""
    from torch.distributed import DistError

    raised = (getattr(one, "_base_exc", None) for one in getattr(error, "worker_failures", {}).values())
    return [one for one in raised if one is not None and not isinstance(one, DistError)]

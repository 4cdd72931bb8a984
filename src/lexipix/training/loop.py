"""The one training loop: every model is trained by :func:`train`.

Progress is counted in images seen, so a batch size never changes the meaning of a schedule. Random numbers
are seeded per step from the seed and the images seen, so that resuming changes nothing. Where several
:mod:`workers <lexipix.training.workers>` train a model, each runs the loop on its part of every batch.
"""

import hashlib
import logging
import math
import time
from collections.abc import Mapping
from functools import partial

import torch

from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.training import workers
from lexipix.training.cuda_graphs import CudaGraphRunner, set_lr
from lexipix.training.precision import resolve_device
from lexipix.training.schedule import (
    learning_rate_factor,
    next_validation,
    progress_since_restart,
    resample,
    rows_of_step,
)
from lexipix.training.state import TrainingState
from lexipix.training.tasks.base import Metrics, SampleGrid, TrainingResult, TrainingTask
from lexipix.utils.durations import format_seconds
from lexipix.utils.errors import LexipixError
from lexipix.utils.progress import Progress
from lexipix.utils.types import CheckpointStore, MetricStream

_log = logging.getLogger(__name__)


def train(
    task: TrainingTask,
    parameters: TrainingParameters,
    run: RunParameters,
    *,
    name: str,
    key: str,
    fingerprint: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
) -> TrainingResult:
    """Train ``task`` for ``parameters.num_images`` images, or until validation stops improving.

    The modules in ``task.averaged`` hold their best (or last) averaged weights afterwards. Messages contain
    ``name`` and ``key``, the full key of ``parameters``. The ``fingerprint`` is that of parameters and data;
    a checkpoint with another one is not resumed, and none of rows in other shards.

    Raises:
        LexipixError: A loss became NaN or infinite; the last checkpoint remains.
    """
    device = resolve_device(run)
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.type == "cuda" else []):
        # Resume an interrupted training of the same thing, or start
        if task.shard_ends is not None:
            fingerprint += f"-{hashlib.sha256(repr(task.shard_ends).encode()).hexdigest()[:16]}"
        saved = checkpoints.load()
        if saved is not None and saved[1].get("fingerprint") != fingerprint:
            saved = None
        _require_same_start(saved[1]["images_seen"] if saved else 0)
        state = TrainingState(task, parameters, run, saved)
        graphs, is_first = None, workers.rank() == 0
        if device.type == "cuda" and task.uses_cuda_graphs and workers.n_workers() == 1:
            graphs = CudaGraphRunner(task.optimizers.values())

        # Samples of the untrained network: the MLflow UI shows step 0 first
        if not state.images_seen and is_first:
            with state.evaluating():
                sample_grid = task.sample_grid()
            if sample_grid is not None:
                stream.image("samples", 0, sample_grid)

        stopped_early, last_saved = False, time.monotonic()
        validate_at = next_validation(state.images_seen, parameters)
        _log.info("%s: %s", name, _plan(state))
        with Progress(name, parameters.num_images, state.images_seen) as bar:
            while state.images_seen < parameters.num_images and not stopped_early:
                # One step
                metrics = workers.mean(_step(state, graphs))
                state.images_seen += parameters.batch_size
                state.ema.update(state.images_seen, parameters.batch_size)
                state.averager.add(metrics)
                bar.advance(parameters.batch_size, metrics)

                # Validate, report, keep the best weights
                if state.images_seen >= min(validate_at, parameters.num_images):
                    validate_at = next_validation(state.images_seen, parameters)
                    row = state.averager.mean()
                    if not all(math.isfinite(value) for value in row.values()):
                        raise _diverged(row, name, key, state)
                    began = time.perf_counter()
                    validation, sample_grid = workers.agreed(partial(_validate, state))
                    state.validation_seconds += time.perf_counter() - began
                    row |= validation | _learn_from(validation, state)
                    stream.log(state.images_seen, row)
                    if sample_grid is not None:
                        stream.image("samples", state.images_seen, sample_grid)
                    seconds = round(state.seconds, 2)
                    state.curves.append({"images_seen": state.images_seen, "seconds": seconds, **row})
                    stopped_early = 0 < parameters.patience <= state.bad_validations

                # Save a checkpoint, never one of a broken state
                is_due = time.monotonic() - last_saved > parameters.checkpoint_seconds
                if is_first and is_due and not stopped_early and state.averager.is_finite():
                    checkpoints.save(*state.pack(fingerprint))
                    last_saved = time.monotonic()

        result = _finish(state, stopped_early)
        taken, share = format_seconds(state.seconds), result.metrics["gflops"] / state.machine_gflops
        _log.info("%s: trained in %s, at %.0f%% of the rate of matrix products", name, taken, 100 * share)
        if is_first:
            checkpoints.clear()
        return result


def _plan(state: TrainingState) -> str:
    n_images, planned = f"{state.parameters.num_images:,}", format_seconds(state.planned_seconds)
    rate = f"{state.precision.name} at {state.machine_gflops:,.0f} GFLOP/s"
    resumed = f", resumed at {state.images_seen:,}" if state.images_seen else ""
    return f"training on {n_images} images in {rate}, about {planned}{resumed}"


def _step(state: TrainingState, graphs: CudaGraphRunner | None) -> Metrics:
    task, parameters, seed = state.task, state.parameters, state.run.seed
    images_seen, progress = state.images_seen, state.images_seen / parameters.num_images
    factor = learning_rate_factor(progress_since_restart(progress, task.lr_restarts), parameters.warmup)
    factor *= task.feedback.lr_factor
    rows = rows_of_step(images_seen, parameters.batch_size, task.n_rows, seed, task.shard_ends)
    if task.feedback.sampling_cdf is not None:
        rows = resample(rows, task.feedback.sampling_cdf, task.feedback.resampled_fraction, images_seen, seed)
    for name, optimizer in task.optimizers.items():
        set_lr(optimizer, [peak * factor for peak in state.peak_lrs[name]])
    rows = workers.own_rows(rows)
    torch.manual_seed((seed * 1_000_003 + images_seen + (workers.rank() << 48)) % 2**63)
    with state.precision.autocast():
        graph_step = task.graph_step(rows, progress) if graphs else None
        if graphs is None or graph_step is None:
            return task.step(rows, progress)
        return graphs(*graph_step)


def _validate(state: TrainingState) -> tuple[dict[str, float], SampleGrid | None]:
    """Validate the averages; return metrics and samples."""
    task = state.task
    with state.evaluating():
        row = {f"val_{key}": value for key, value in task.validate().items()}
        torch.manual_seed(state.run.seed)  # the noise of every other sample grid
        sample_grid = task.sample_grid()
    return row, sample_grid


def _learn_from(validation: Mapping[str, float], state: TrainingState) -> dict[str, float]:
    """Keep the averages if they are the best, and let the feedback react; return the feedback's metrics."""
    feedback = state.task.feedback
    learns = state.images_seen / state.parameters.num_images > state.task.learns_from
    if learns:
        state.record_objective(validation["val_objective"])
    metrics, changed = workers.agreed(
        lambda: (feedback.on_validation(learns, state.bad_validations), feedback.state())
    )
    if workers.rank():
        feedback.load_state(*changed)
    return metrics


def _require_same_start(images_seen: int) -> None:
    """Raise a LexipixError if this worker did not find the checkpoint of the first one.

    A worker that starts anew measures a step first, together with the others, and one that resumes does not.
    """
    first = workers.agreed(lambda: images_seen)
    if images_seen != first:
        raise LexipixError(
            f"A worker starts at {images_seen:,} images, the first one at {first:,}: engine.kind = ray "
            "needs the project on a disk that all machines share, since checkpoints are read from there."
        )


def _diverged(row: dict[str, float], name: str, key: str, state: TrainingState) -> LexipixError:
    metrics = ", ".join(f"{metric} = {value}" for metric, value in row.items())
    return LexipixError(
        f"The training of {name} diverged: after {state.images_seen:,} images {metrics}. "
        f"Lower {key}.learning_rate = {state.parameters.learning_rate:g}"
        f"{' or set run.precision = fp32' if state.precision.bf16 else ''}."
    )


def _finish(state: TrainingState, stopped_early: bool) -> TrainingResult:
    """Load the best or the last averaged weights into the modules; return curves, metrics and samples."""
    task, parameters = state.task, state.parameters
    keep_best = parameters.keep_best or task.feedback.keep_best
    state.ema.restore(state.best_weights if keep_best else state.ema.weights)
    for name in task.averaged:
        task.modules[name].eval()
    with torch.no_grad(), state.precision.autocast():
        torch.manual_seed(state.run.seed)
        sample_grid = task.sample_grid()
    state.precision.release(task.modules)
    learned = [row for row in state.curves if row["images_seen"] / parameters.num_images > task.learns_from]
    returned = min(learned, key=lambda row: row["val_objective"]) if keep_best else state.curves[-1]
    seconds = max(state.seconds, 1e-9)
    metrics = {
        "images_seen": state.images_seen,
        "seconds": round(seconds, 2),
        "images_per_s": round(state.images_seen / seconds, 1),
        "mflop_per_image": round(state.cost.flops / 1e6, 3),
        "gflops": round(state.cost.flops * state.images_seen / seconds / 1e9, 1),
        "machine_gflops": round(state.machine_gflops, 1),
        "planned_seconds": state.planned_seconds,
        "validation_seconds": state.validation_seconds,
        "precision": state.precision.name,
        **{key: value for key, value in returned.items() if key.startswith("val_")},
        "stopped_early": stopped_early,
    }
    return TrainingResult(state.curves, metrics, sample_grid)

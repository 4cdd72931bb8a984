"""The one training loop: every model of the project is trained by :func:`train`.

Progress is counted in images seen, so a batch size never changes the meaning of a schedule. Random numbers
are seeded per step from (seed, images seen): a resumed training draws what an uninterrupted one would have.
"""

import logging
import math
import time
from collections.abc import Mapping, MutableMapping, Sequence

import torch
from torch import Tensor

from lexipix.config.run import RunParameters
from lexipix.config.training import TrainingParameters
from lexipix.training.checkpoint_state import (
    fixed_names,
    pack_learning,
    pack_state,
    unpack_learning,
    unpack_state,
)
from lexipix.training.cuda_graphs import set_rate
from lexipix.training.ema import Averages
from lexipix.training.metric_averager import MetricAverager
from lexipix.training.parallel import Share
from lexipix.training.precision import Precision, choose_precision, resolve_device, step_flops
from lexipix.training.schedule import learning_rate_factor, next_report_after, since_restart
from lexipix.training.steady import STEADY, Steady
from lexipix.training.tasks.base import Task, TrainingResult
from lexipix.utils.errors import LexipixError
from lexipix.utils.progress import Progress
from lexipix.utils.types import CheckpointStore, MetricStream

_log = logging.getLogger(__name__)


def train(
    task: Task,
    parameters: TrainingParameters,
    run: RunParameters,
    *,
    name: str,
    fingerprint: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    choices: MutableMapping[str, str] | None = None,
    share: Share | None = None,
) -> TrainingResult:
    """Train ``task`` for ``parameters.images`` images, or until validation stops improving.

    Args:
        task: The model, its losses and its data.
        parameters: Length, batch size, schedule, intervals.
        run: Seed, threads, device, precision.
        name: Shown beside the progress bar.
        fingerprint: Of parameters and data; a checkpoint with another one is not resumed.
        stream: Takes live figures and sample sheets.
        checkpoints: Where to save and look for the state of an interrupted training.
        choices: What the probe chose on this machine before, by training; it is asked first and told
            afterwards, so that the same run gives the same bytes whatever else the machine was doing.
        share: The task's, where batches are shared out; other processes :func:`follow` this one.

    Returns:
        Curves and figures. The modules in ``task.averaged`` hold their best averaged weights afterwards.

    Raises:
        LexipixError: A loss became NaN or infinite; the last checkpoint remains.
    """
    device = resolve_device(run)
    with torch.random.fork_rng(devices=[torch.cuda.current_device()] if device.type == "cuda" else []):
        return _train(
            task, parameters, run, device, name, fingerprint, stream, checkpoints, choices, share or Share()
        )


def follow(task: Task, parameters: TrainingParameters, run: RunParameters, share: Share) -> None:
    """Take every step of a :func:`train` that leads, in step with it; reports and checkpoints are its own.

    Args:
        task: Made as the leading process made its own, from whose state it starts.
        parameters: As there.
        run: As there.
        share: The task's.
    """
    device, steering = resolve_device(run), _steering(task)
    for module in task.modules.values():
        module.to(device)
    tensors, start = share.receive()
    machine = Precision.from_name(start["precision"], run)
    machine.prepare(task.modules)
    unpack_learning(tensors, task.modules, task.optimizers, frozenset())
    steering.unpack(task, tensors, start["steering"])
    images_seen = start["images_seen"]
    next_report = next_report_after(images_seen, parameters)
    while images_seen < parameters.images:
        _step(task, parameters, run, machine, start["peaks"], images_seen)
        images_seen += parameters.batch_size
        if images_seen >= next_report or images_seen >= parameters.images:
            next_report = next_report_after(images_seen, parameters)
            if steering is not STEADY:
                steering.unpack(task, *share.receive())
            if parameters.patience and share.told(False):
                break


def _train(
    task: Task,
    parameters: TrainingParameters,
    run: RunParameters,
    device: torch.device,
    name: str,
    fingerprint: str,
    stream: MetricStream,
    checkpoints: CheckpointStore,
    choices: MutableMapping[str, str] | None,
    share: Share,
) -> TrainingResult:
    for module in task.modules.values():
        module.to(device)
    fixed = fixed_names(task.modules, task.optimizers)
    averages = Averages({key: task.modules[key] for key in task.averaged}, parameters.ema_share, fixed)
    steering = _steering(task)
    keep_best = parameters.keep_best or steering.keep_best
    learns_from = getattr(task, "learns_from", 0.0)
    result = TrainingResult()
    images_seen, seconds_before, bad_validations, window = 0, 0.0, 0, MetricAverager()
    best_objective, best_weights = math.inf, averages.snapshot()

    # Continue an interrupted training of the same thing
    saved = checkpoints.load()
    if saved is not None and saved[1].get("fingerprint") == fingerprint:
        tensors, meta = saved
        machine = Precision.from_name(meta["precision"], run)
        machine.prepare(task.modules)
        best_weights = unpack_state(tensors, task.modules, task.optimizers, averages, fixed)
        images_seen, seconds_before = meta["images_seen"], meta["seconds"]
        best_objective = math.inf if meta["best_objective"] is None else meta["best_objective"]
        bad_validations = meta["bad_validations"]
        result.curves = meta["curves"]
        window = MetricAverager.from_tensors(tensors, meta["window"])
        steering.unpack(task, tensors, meta.get("steering", {}))
        flops = meta.get("flops", 0.0)  # unknown to a checkpoint of an earlier version
    else:
        n_rows = parameters.batch_size // share.parts
        with share.alone():
            machine = choose_precision(task, n_rows, run, name, choices)
            machine.prepare(task.modules)
            flops = step_flops(task, n_rows, run, machine)

    # Each optimizer remembers its peak rate; the schedule scales it
    peaks = {key: [g["lr"] for g in opt.param_groups] for key, opt in task.optimizers.items()}
    if saved is not None and images_seen:
        peaks = {key: list(saved[1]["peaks"][key]) for key in task.optimizers}

    if device.type == "cuda" and (record := getattr(task, "record", None)):
        record()

    # The others start where this process does, and from its weights that nothing moves, too
    if share.processes > 1:
        everything = pack_learning(task.modules, task.optimizers, frozenset())
        steered, course = steering.pack()
        begun = {"images_seen": images_seen, "precision": machine.name, "peaks": peaks, "steering": course}
        share.send(everything | steered, begun)

    def save_checkpoint() -> None:
        steered, course = steering.pack()
        meta = {
            "fingerprint": fingerprint, "images_seen": images_seen, "seconds": seconds(),
            "best_objective": best_objective if math.isfinite(best_objective) else None,
            "bad_validations": bad_validations, "curves": result.curves,
            "precision": machine.name, "peaks": peaks, "window": window.counts, "flops": flops,
            "steering": course,
        }  # fmt: skip
        tensors = pack_state(task.modules, task.optimizers, averages, best_weights, fixed)
        checkpoints.save(tensors | window.tensors() | steered, meta)

    start = time.monotonic()

    def seconds() -> float:
        return seconds_before + time.monotonic() - start

    # The MLflow UI shows step 0 first: there are the samples of a network that has learned nothing yet
    if not images_seen:
        with share.alone(), averages.applied(), torch.no_grad(), machine.autocast():
            torch.manual_seed(run.seed)
            sheet = task.sheet()
        if sheet is not None:
            stream.image("samples", 0, sheet)

    stopped_early = False
    last_saved = time.monotonic()
    next_report = next_report_after(images_seen, parameters)
    resumed = f", resumed at {images_seen:,}" if images_seen else ""
    _log.info("%s: training on %s images in %s%s", name, f"{parameters.images:,}", machine.name, resumed)
    with Progress(name, parameters.images, images_seen) as bar:
        while images_seen < parameters.images:
            losses = _step(task, parameters, run, machine, peaks, images_seen)
            images_seen += parameters.batch_size
            averages.update(images_seen, parameters.batch_size)
            window.add(losses)
            bar.advance(parameters.batch_size, window.latest)

            # Report, validate, keep the best
            if images_seen >= next_report or images_seen >= parameters.images:
                next_report = next_report_after(images_seen, parameters)
                row = window.mean()
                if not all(math.isfinite(v) for v in row.values()):
                    figures = ", ".join(f"{key} = {value}" for key, value in row.items())
                    raise LexipixError(
                        f"The training of {name} broke down: after {images_seen:,} images {figures}: "
                        f"lower {parameters.key}.learning_rate = {parameters.learning_rate:g}"
                        f"{' or set run.precision=fp32' if machine.bf16 else ''}."
                    )
                with share.alone(), averages.applied(), torch.no_grad(), machine.autocast():
                    torch.manual_seed(run.seed)
                    row |= {f"val_{key}": value for key, value in task.validate().items()}
                    sheet = task.sheet()
                learns = images_seen / parameters.images > learns_from
                row |= steering.react(task, row, learns)
                if steering is not STEADY and share.processes > 1:
                    share.send(*steering.pack())
                objective = row["val_objective"]
                if learns and objective < best_objective:
                    best_objective, best_weights, bad_validations = objective, averages.snapshot(), 0
                elif learns:
                    bad_validations += 1
                stream.log(images_seen, row)
                if sheet is not None:
                    stream.image("samples", images_seen, sheet)
                result.curves.append({"images_seen": images_seen, "seconds": round(seconds(), 2), **row})
                stopped_early = 0 < parameters.patience <= bad_validations
                if parameters.patience and share.told(stopped_early):
                    break
            if time.monotonic() - last_saved > parameters.checkpoint_seconds and window.is_finite():
                save_checkpoint()
                last_saved = time.monotonic()

    averages.restore(best_weights if keep_best else averages.snapshot())
    for key in task.averaged:
        task.modules[key].eval()
    with torch.no_grad(), machine.autocast():
        torch.manual_seed(run.seed)
        result.sheet = task.sheet()
    machine.release(task.modules)
    checkpoints.clear()
    learned = [row for row in result.curves if row["images_seen"] / parameters.images > learns_from]
    shipped = min(learned, key=_objective) if keep_best else result.curves[-1]
    result.figures = {
        "images_seen": images_seen,
        "seconds": round(seconds(), 2),
        "images_per_s": round(images_seen / max(seconds(), 1e-9), 1),
        "mflop_per_image": round(flops / 1e6, 3),
        "gflops": round(flops * images_seen / max(seconds(), 1e-9) / 1e9, 1),
        "precision": machine.name,
        "stopped_early": stopped_early,
        **{key: value for key, value in shipped.items() if key.startswith("val_")},
    }
    return result


def _steering(task: Task) -> Steady:
    steering: Steady = getattr(task, "steering", STEADY)
    return steering


def _objective(row: Mapping[str, float]) -> float:
    return row["val_objective"]


def _step(
    task: Task,
    parameters: TrainingParameters,
    run: RunParameters,
    machine: Precision,
    peaks: Mapping[str, Sequence[float]],
    images_seen: int,
) -> dict[str, Tensor]:
    """One update of the task, a pure function of its state and of how many images it has seen."""
    progress = images_seen / parameters.images
    steering = _steering(task)
    in_phase = since_restart(progress, getattr(task, "restarts", ()))
    factor = steering.rate * learning_rate_factor(in_phase, parameters.warmup)
    for key, optimizer in task.optimizers.items():
        set_rate(optimizer, [peak * factor for peak in peaks[key]])
    rows = steering.rows(images_seen, parameters.batch_size, task.n_rows, run.seed)
    torch.manual_seed((run.seed * 1_000_003 + images_seen) % 2**63)
    with machine.autocast():
        return task.step(rows, progress)

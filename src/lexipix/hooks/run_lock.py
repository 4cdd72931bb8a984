"""One run at a time writes an environment's results, and removes what a killed run left there."""

import atexit
import json
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from lexipix.tracking.lineage import command
from lexipix.utils.atomic import remove_leftovers, replace_file
from lexipix.utils.errors import LexipixError
from lexipix.utils.logging import warn_on_failure
from lexipix.utils.processes import process_name

if TYPE_CHECKING:
    from filelock import FileLock

_log = logging.getLogger(__name__)

LOCK, HOLDER = ".run.lock", ".run.json"  # the holder: process, start and command


class RunLockHooks:
    """Locks the environment's data folder during a run; the system ends the lock of a killed process."""

    def __init__(self) -> None:
        self._lock: FileLock | None = None

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        known = context.config_loader["globals"]
        self._folder = Path(context.project_path, known.get("data_root", "data"))

    @hook_impl(tryfirst=True)
    def before_pipeline_run(self, run_params: dict[str, Any]) -> None:
        """Lock the folder; a LexipixError names the run that holds it."""
        from filelock import FileLock, Timeout

        self._release()
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self._folder / LOCK, timeout=0)
            lock.acquire()
        except Timeout:
            raise LexipixError(_held_by(self._folder)) from None
        except (OSError, NotImplementedError) as error:  # whoever writes there reports what is wrong
            _log.warning("%s could not be locked (%s): start no second run there.", self._folder, error)
            return
        self._lock = lock
        atexit.register(self._release)  # Kedro tells no hook of Ctrl-C
        self._forget_holder()  # that of a killed run
        remove_leftovers(self._folder)
        holder = {"process": process_name(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        with replace_file(self._folder / HOLDER) as file:
            file.write_text(json.dumps(holder | {"command": command(run_params)}) + "\n", encoding="utf-8")

    @hook_impl(trylast=True)
    def after_pipeline_run(self) -> None:
        self._release()

    @hook_impl(trylast=True)
    def on_pipeline_error(self) -> None:
        self._release()

    def _release(self) -> None:
        """End the lock of this process's last run, if it has one."""
        if self._lock is not None:
            self._forget_holder()
            self._lock.release()
            self._lock = None
            atexit.unregister(self._release)

    def _forget_holder(self) -> None:
        with warn_on_failure(f"{self._folder / HOLDER} could not be removed"):
            (self._folder / HOLDER).unlink(missing_ok=True)


def _held_by(folder: Path) -> str:
    try:
        holder = json.loads((folder / HOLDER).read_text(encoding="utf-8"))
        who = f"process {holder['process'].partition('@')[0]}, since {holder['since']}, `{holder['command']}`"
    except (OSError, ValueError, KeyError, AttributeError):  # it has just begun
        who = "another process"
    return (
        f"{folder} is in use by another run ({who}): wait until that has ended, stop it, or choose another "
        "environment with --env."
    )

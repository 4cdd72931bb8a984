"""The campaign of full disks: ``make disk``, on a machine that lets this user mount a file system.

A project lies in a small file system in memory. Whenever a run ends because it is full, the file system
grows by a little and the same command goes on, so that one write after the other finds it full. At the end,
the results are those of an undisturbed run. Space and the number of files are filled one after the other;
what the journal has is not done again.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.campaigns.chaos import RUN
from tests.campaigns.comparison import differences
from tests.campaigns.findings import leftovers
from tests.campaigns.fuzz import REPOSITORY, Journal
from tests.support.project import new_clone, run_kedro

_SAID = (
    "the disk is full",
    "database or disk is full",
    "No space left",
    "disk I/O error",
)
_MAX_RUNS = 400


def fill(kind: str, first: int, step: int, reference: Path, work: Path) -> dict[str, object]:
    """Run the smoke chain in a file system that grows whenever it is full.

    Args:
        kind: ``size``, in KiB, or ``nr_inodes``, the number of files.
        first: The size at first, beside what the project itself takes.
        step: How much it grows.
        reference: Project of an undisturbed run.
        work: Where to mount it.
    """
    project, faults, n_full = work / "project", [], 0
    project.mkdir(parents=True)
    unit = "k" if kind == "size" else ""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(project)], check=True)
    try:
        new_clone(project)
        size = _used(project, kind) + first
        for _ in range(_MAX_RUNS):
            subprocess.run(["mount", "-o", f"remount,{kind}={size}{unit}", str(project)], check=True)
            answer = run_kedro(project, *RUN[1:], TMPDIR=str(work))
            if answer.returncode == 0:
                break
            n_full += 1
            said = answer.stderr
            if "Traceback" in said or not any(words in said for words in _SAID):
                faults.append(f"{kind} {size}: status {answer.returncode}: {said[-1500:]}")
            size += step
        else:
            faults.append(f"not done after {_MAX_RUNS} runs")
        faults += differences(project, reference, ["data/smoke"])
        faults += leftovers(project)
    finally:
        subprocess.run(["umount", str(project)], check=False)
    return {"kind": kind, "full": n_full, "faults": faults}


def _used(project: Path, kind: str) -> int:
    state = os.statvfs(project)
    if kind == "size":
        return (state.f_blocks - state.f_bfree) * state.f_frsize // 1024
    return state.f_files - state.f_ffree


def main() -> None:
    """Fill the space, then the number of files, and print what came of it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--step-mb", type=float, default=2.0)
    parser.add_argument("--step-files", type=int, default=10)
    parser.add_argument("--journal", type=Path, default=REPOSITORY / "data" / "campaigns" / "disk.jsonl")
    arguments = parser.parse_args()
    journal = Journal(arguments.journal)
    results = list(journal)
    steps = {"size": round(arguments.step_mb * 1024), "nr_inodes": arguments.step_files}
    todo = {kind: step for kind, step in steps.items() if kind not in {row["kind"] for row in results}}
    work = Path(tempfile.mkdtemp(prefix="lexipix-disk-"))
    reference = work / "undisturbed"
    if todo:
        run_kedro(new_clone(reference), *RUN[1:]).check_returncode()
    for kind, step in todo.items():
        results.append(fill(kind, step, step, reference, work / kind))
        journal.add(results[-1])
        print(json.dumps(results[-1]), flush=True)
    shutil.rmtree(work, ignore_errors=True)
    print(f"The journal: {journal.path}")
    sys.exit(any(result["faults"] for result in results))


if __name__ == "__main__":
    main()

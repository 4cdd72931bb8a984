"""The campaign of killed runs: ``make chaos``.

Each chain is a series of commands. A command is killed at random moments and started again until it ends by
itself. At the end of a chain, its files must be those of an undisturbed one, without anything half-done. The
same command goes on where it was stopped, with a new chain.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns.comparison import differences, is_report, outputs
from tests.campaigns.findings import leftovers
from tests.campaigns.fuzz import REPOSITORY, Journal
from tests.support.dvc_project import dvc, introduce, save
from tests.support.project import activated_environment, listen_to_interrupts, new_clone

SIGNALS = {"SIGKILL": 6, "SIGTERM": 2, "SIGINT": 2, "SIGSTOP": 1}  # how often each, of eleven
PROMPT = "a big red circle at the left on white"
RUN = ("kedro", "run", "--env", "smoke", "--only-missing-outputs")
# The commands of each chain
CHAINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "plain": (RUN,),
    "features": ((*RUN, "--pipelines", "ingestion,features"),),
    "registration": ((*RUN, "--pipelines", "evaluation"),),
    "dvc": (("dvc", "repro", "evaluation@smoke"),),
    "generate": (
        ("kedro", "generate", PROMPT, "-n", "40000", "--env", "smoke", "--out", "drawn"),
        ("kedro", "generate", PROMPT, "-n", "40000", "--env", "smoke", "--no-score", "--out", "drawn.tar"),
    ),
    "reproduce": (("kedro", "reproduce", "RUN_ID", "--out", "again"),),
}
STAGES = {"features": ("ingestion", "features")}  # of chains that end before the evaluation
MODELS = ("lexipix-captioner-smoke", "lexipix-generator-smoke")
_LIMIT = 60  # starts of a command
_FRESH_STARTS = 5  # that are killed, of a command that begins anew each time
# Of a command that a signal ended: by itself, by the signal, and in DVC's words
_STOPPED = (130, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT)
_DVC_STOPPED = (252, 255)


@dataclass
class Chain:
    """What happened to a chain of commands."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Chaos:
    """Chains of commands in copies of a project whose undisturbed run is known.

    Args:
        work: Where the copies are.
        dice: Decides signals and moments.
        wait: The shortest and the longest time between two signals, in seconds.
        undisturbed: The project of an undisturbed run; without it, one is made.
        begun: A file that a command writes when its work begins; the time counts from there.
        note: Receives each kill, and the faults of each chain.
    """

    def __init__(
        self,
        work: Path,
        dice: random.Random,
        wait: tuple[float, float],
        undisturbed: Path | None = None,
        begun: str | None = None,
        note: Callable[[dict[str, Any]], None] = lambda row: None,
    ) -> None:
        self.work, self.dice, self.wait, self.begun, self.note = work, dice, wait, begun, note
        self.undisturbed = undisturbed or work / "undisturbed"
        done = work / "undisturbed.done"
        if undisturbed is None and not done.exists():
            shutil.rmtree(self.undisturbed, ignore_errors=True)
            new_clone(self.undisturbed)
            for command in (RUN, *CHAINS["generate"]):
                answer = self._start(self.undisturbed, command)
                said = answer.communicate()[1]
                assert answer.returncode == 0, said
            done.touch()

    def run(self, name: str, max_kills: int = 10**6) -> Chain:
        """Run one chain to its end, undisturbed after ``max_kills``."""
        chain, project = Chain(name), self.work / f"{name} {time.time_ns()}"
        commands = CHAINS[name]
        if name in ("plain", "features", "dvc"):
            new_clone(project)
        else:
            shutil.copytree(self.undisturbed, project, symlinks=True)
        if name == "registration":
            for path in filter(is_report, outputs(project, ["evaluation"])):
                (project / path).unlink(missing_ok=True)
        if name == "generate":
            for path in project.glob("drawn*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if name == "dvc":
            dvc(project, "init", "--quiet")
            introduce(project)
            save(project, "DVC")
        try:
            for command in commands:
                words = [_run_id(project) if word == "RUN_ID" else word for word in command]
                self._until_done(chain, project, words, max_kills)
            self._check(chain, project)
        finally:
            self.note({"chain": name, "faults": chain.faults})
        if not chain.faults:
            shutil.rmtree(project, ignore_errors=True)
        return chain

    def _until_done(self, chain: Chain, project: Path, command: Sequence[str], max_kills: int) -> None:
        said = ""
        for n_starts in range(_LIMIT):
            is_fresh = "reproduce" in command
            if is_fresh:  # it makes a new folder each time
                shutil.rmtree(project / "again", ignore_errors=True)
                subprocess.run(["git", "worktree", "prune"], cwd=project, check=True)
            process = self._start(project, command)
            name = self.dice.choices(list(SIGNALS), list(SIGNALS.values()))[0]
            seconds = self.dice.uniform(*self.wait)
            undisturbed = chain.kills.total() >= max_kills or (is_fresh and n_starts >= _FRESH_STARTS)
            if self.begun and not undisturbed:
                _wait_until_written(project / self.begun, process)
            stopped: tuple[int, ...] = ()
            try:
                said = process.communicate(timeout=None if undisturbed else seconds)[1]
            except subprocess.TimeoutExpired:
                chain.kills[name] += 1
                self.note({"chain": chain.name, "kill": name})
                said = self._hit(chain, process, name, is_alone=command[0] == "kedro" and not is_fresh)
                stopped = (*_STOPPED, *_DVC_STOPPED) if command[0] == "dvc" else _STOPPED
            if process.returncode == 0:
                return
            what = f"{name}: status {process.returncode}" if stopped else f"status {process.returncode}"
            if "Traceback" in said:
                chain.faults.append(f"{what}, a traceback: {said[-1500:]}")
            elif process.returncode not in stopped:
                chain.faults.append(f"{what}: {said[-1500:]}")
                return
        chain.faults.append(f"{' '.join(command)} did not end in {_LIMIT} starts: {said[-1500:]}")

    def _hit(self, chain: Chain, process: "subprocess.Popen[str]", name: str, is_alone: bool) -> str:
        """Send a signal and wait for the end.

        A terminal sends SIGINT to all processes of a command. SIGTERM and SIGSTOP go to one that is alone, or
        else to all, since a command that waits for another may not pass them on.
        """

        def send(how: int) -> None:
            if is_alone and name in ("SIGTERM", "SIGSTOP"):
                process.send_signal(how)
            else:
                os.killpg(process.pid, how)

        send(getattr(signal, name))
        if name == "SIGSTOP":
            time.sleep(self.dice.uniform(0.5, 3))
            send(signal.SIGCONT)
        try:
            return process.communicate(timeout=600 if name == "SIGSTOP" else 60)[1]
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            chain.faults.append(f"still running long after {name}")
            return process.communicate()[1]

    def _start(self, project: Path, command: Sequence[str]) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=project, env=activated_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, start_new_session=True, preexec_fn=listen_to_interrupts,
        )  # fmt: skip

    def _check(self, chain: Chain, project: Path) -> None:
        places = [Path("data/smoke")]
        if chain.name in STAGES:
            places = [path for path in outputs(project, STAGES[chain.name]) if not is_report(path)]
        elif chain.name == "generate":
            places += [Path("drawn"), Path("drawn.tar")]
        results = project / "again" if chain.name == "reproduce" else project
        chain.faults += differences(results, self.undisturbed, places)
        chain.faults += leftovers(project)
        with sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True) as store:
            (verdict,) = store.execute("PRAGMA integrity_check").fetchone()
            running = [name for (name,) in store.execute("SELECT name FROM runs WHERE status = 'RUNNING'")]
            if chain.name not in STAGES:
                needed = 2 if chain.name == "registration" else 1  # the copied store has one
                chain.faults += _unregistered(store, needed)
                reports = results / "data" / "smoke" / "08_reporting"
                missing = [name for name in ("metrics.json", "report.html") if not (reports / name).exists()]
                chain.faults += [f"no {name}" for name in missing]
        if verdict != "ok":
            chain.faults.append(f"mlflow.db: {verdict}")
        if running:
            chain.faults.append(f"runs that stay RUNNING: {', '.join(running)}")


def _unregistered(store: sqlite3.Connection, n_versions: int) -> Iterator[str]:
    """Models of which a store lacks versions or the champion, as faults."""
    versions = dict(store.execute("SELECT name, COUNT(*) FROM model_versions GROUP BY name"))
    aliases = store.execute("SELECT name FROM registered_model_aliases WHERE alias = 'champion'")
    champions = {name for (name,) in aliases}
    for name in MODELS:
        if versions.get(name, 0) < n_versions:
            yield f"{name} has {versions.get(name, 0)} versions instead of {n_versions}"
        if name not in champions:
            yield f"{name} has no champion"


def _wait_until_written(file: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until a process that has just been started writes a file, or ends."""
    start = time.time() - 0.1  # file systems round times
    while process.poll() is None and not (file.exists() and file.stat().st_mtime >= start):
        time.sleep(0.02)


def _run_id(project: Path) -> str:
    """The undisturbed run."""
    with sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True) as store:
        (found,) = store.execute("SELECT run_uuid FROM runs ORDER BY start_time").fetchone()
    return str(found)


def main() -> None:
    """Run chains until there were enough kills, and print what came of them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=1000, help="in all, those of earlier calls included")
    parser.add_argument("--only", nargs="+", choices=CHAINS, default=list(CHAINS))
    parser.add_argument("--seconds", type=float, nargs=2, default=(3.0, 20.0), help="between two kills")
    parser.add_argument("--journal", type=Path, default=REPOSITORY / "data" / "campaigns" / "chaos.jsonl")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "lexipix-chaos")
    arguments = parser.parse_args()
    journal = Journal(arguments.journal)
    rows = list(journal)

    def note(row: dict[str, Any]) -> None:
        rows.append(row)
        journal.add(row)

    def n_kills() -> int:
        return sum("kill" in row for row in rows)

    chaos = Chaos(arguments.work, random.Random(len(rows)), tuple(arguments.seconds), note=note)
    names = [name for name in CHAINS if name in arguments.only]
    while n_kills() < arguments.kills:
        n_chains = sum("faults" in row for row in rows)
        chain = chaos.run(names[n_chains % len(names)])
        row = {"chain": chain.name, "kills": dict(chain.kills), "faults": chain.faults}
        print(f"{n_kills()} of {arguments.kills} kills; {json.dumps(row)}", flush=True)
    print(f"{'chain':<14}{'chains':>8}{'kills':>7}{'faults':>8}")
    for name in CHAINS:
        mine = [row for row in rows if row["chain"] == name]
        ended = [row["faults"] for row in mine if "faults" in row]
        faults = sum(map(len, ended))
        print(f"{name:<14}{len(ended):>8}{sum('kill' in row for row in mine):>7}{faults:>8}")
    print(f"The journal: {journal.path}")
    sys.exit(any(row.get("faults") for row in rows))


if __name__ == "__main__":
    main()

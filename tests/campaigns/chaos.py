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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.campaigns.findings import leftovers
from tests.campaigns.fuzz import REPOSITORY, Journal
from tests.support.dvc_project import dvc, introduce, save
from tests.support.project import activated_environment, listen_to_interrupts, new_clone

SIGNALS = {"SIGKILL": 6, "SIGTERM": 2, "SIGINT": 2, "SIGSTOP": 1}  # how often each, of eleven
SAME = ("*.safetensors", "*.onnx", "*.npy", "*.parquet", "tokenizer.json", "*.png", "*.tar")
PROMPT = "a big red circle at the left on white"
RUN = ("kedro", "run", "--env", "smoke", "--only-missing-outputs")
# The commands of each chain
CHAINS: dict[str, tuple[tuple[str, ...], ...]] = {
    "plain": (RUN,),
    "features": ((*RUN, "--pipelines", "ingestion,features"),),
    "registration": ((*RUN, "--pipelines", "evaluation"),),
    "dvc": (("dvc", "repro", "evaluation@smoke"),),
    "generate": (
        ("kedro", "generate", PROMPT, "-n", "4000", "--env", "smoke", "--out", "drawn"),
        ("kedro", "generate", PROMPT, "-n", "4000", "--env", "smoke", "--no-score", "--out", "drawn.tar"),
    ),
    "reproduce": (("kedro", "reproduce", "RUN_ID", "--out", "again"),),
}
_LIMIT = 60  # starts of a command


@dataclass
class Chain:
    """What happened to a chain of commands."""

    name: str
    kills: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class Chaos:
    """Chains of commands in copies of a project whose undisturbed run is known."""

    def __init__(
        self, work: Path, dice: random.Random, wait: tuple[float, float], undisturbed: Path | None = None
    ) -> None:
        self.work, self.dice, self.wait = work, dice, wait
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
            shutil.rmtree(project / "data" / "smoke" / "08_reporting")
        if name == "generate":
            for path in project.glob("drawn*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        if name == "dvc":
            dvc(project, "init", "--quiet")
            introduce(project)
            save(project, "DVC")
        for command in commands:
            words = [_run_id(project) if word == "RUN_ID" else word for word in command]
            self._until_done(chain, project, words, max_kills)
        self._check(chain, project)
        if not chain.faults:
            shutil.rmtree(project, ignore_errors=True)
        return chain

    def _until_done(self, chain: Chain, project: Path, command: Sequence[str], max_kills: int) -> None:
        said = ""
        for _ in range(_LIMIT):
            if "reproduce" in command:  # it makes a new folder each time
                shutil.rmtree(project / "again", ignore_errors=True)
                subprocess.run(["git", "worktree", "prune"], cwd=project, check=True)
            process = self._start(project, command)
            name = self.dice.choices(list(SIGNALS), list(SIGNALS.values()))[0]
            seconds = self.dice.uniform(*self.wait) if chain.kills.total() < max_kills else None
            try:
                said = process.communicate(timeout=seconds)[1]
            except subprocess.TimeoutExpired:
                chain.kills[name] += 1
                said = self._hit(chain, process, name)
            if process.returncode == 0:
                return
            if "Traceback" in said:
                chain.faults.append(f"{name}: a traceback: {said[-1500:]}")
            elif process.returncode not in (130, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT):
                chain.faults.append(f"status {process.returncode} after {name}: {said[-1500:]}")
                return
        chain.faults.append(f"{' '.join(command)} did not end in {_LIMIT} starts: {said[-1500:]}")

    def _hit(self, chain: Chain, process: "subprocess.Popen[str]", name: str) -> str:
        """Send a signal and wait for the end; a terminal sends SIGINT to all processes of a command."""
        how = getattr(signal, name)
        if name in ("SIGINT", "SIGKILL"):
            os.killpg(process.pid, how)
        else:
            process.send_signal(how)
        if name == "SIGSTOP":
            time.sleep(self.dice.uniform(0.5, 3))
            process.send_signal(signal.SIGCONT)
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
        for place in ("data/smoke", "drawn", "drawn.tar") if chain.name == "generate" else ("data/smoke",):
            whole = chain.name != "features"
            chain.faults += differences(project / place, self.undisturbed / place, whole)
        chain.faults += leftovers(project / "data")
        with sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True) as store:
            (verdict,) = store.execute("PRAGMA integrity_check").fetchone()
            running = [name for (name,) in store.execute("SELECT name FROM runs WHERE status = 'RUNNING'")]
        if verdict != "ok":
            chain.faults.append(f"mlflow.db: {verdict}")
        if running:
            chain.faults.append(f"runs that stay RUNNING: {', '.join(running)}")


def _run_id(project: Path) -> str:
    """The undisturbed run."""
    with sqlite3.connect(f"file:{project / 'mlflow.db'}?mode=ro", uri=True) as store:
        (found,) = store.execute("SELECT run_uuid FROM runs ORDER BY start_time").fetchone()
    return str(found)


def differences(place: Path, undisturbed: Path, whole: bool = True) -> list[str]:
    """Faults of results beside those of an undisturbed run, of which there are more if they are not whole."""
    mine, theirs = _contents(place), _contents(undisturbed)
    names = mine.keys() | theirs.keys() if whole else mine.keys()
    if not names:
        return [f"{place.name} has no results"]
    wrong = (name for name in sorted(names) if mine.get(name) != theirs.get(name))
    return [f"{place.name}/{name}: other bytes than undisturbed, or missing" for name in wrong]


def _contents(place: Path) -> dict[str, bytes]:
    """Bytes of all that the same run must give again: not of the champion, which is chosen by speed."""
    if place.is_file():
        return {"": place.read_bytes()}
    files: Iterator[Path] = (path for pattern in SAME for path in place.rglob(pattern))
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in files
        if "checkpoints" not in path.parts
        and "08_reporting" not in path.parts
        and "champion" not in str(path)
    }


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
    rows: list[dict[str, Any]] = list(journal)
    chaos = Chaos(arguments.work, random.Random(len(rows)), tuple(arguments.seconds))
    while (done := sum(sum(row["kills"].values()) for row in rows)) < arguments.kills:
        names = [name for name in CHAINS if name in arguments.only]
        chain = chaos.run(names[len(rows) % len(names)])
        row = {"chain": chain.name, "kills": dict(chain.kills), "faults": chain.faults}
        rows.append(row)
        journal.add(row)
        print(f"{done + chain.kills.total()} of {arguments.kills} kills; {json.dumps(row)}", flush=True)
    print(f"{'chain':<14}{'chains':>8}{'kills':>7}{'faults':>8}")
    for name in CHAINS:
        mine = [row for row in rows if row["chain"] == name]
        kills = sum(sum(row["kills"].values()) for row in mine)
        print(f"{name:<14}{len(mine):>8}{kills:>7}{sum(len(row['faults']) for row in mine):>8}")
    print(f"The journal: {journal.path}")
    sys.exit(any(row["faults"] for row in rows))


if __name__ == "__main__":
    main()

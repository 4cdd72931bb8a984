"""The campaign of hostile inputs: ``make fuzz``.

Every unit of inputs runs in a process that a crash, a hang or too much memory ends. Results go to a journal:
the same command goes on where it was stopped. The same seed gives the same inputs.
"""

import argparse
import json
import select
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
CAMPAIGNS = ("pictures", "captions", "metadata", "packed", "parameters", "commands", "models", "service")
_SECONDS = 600  # of a unit


@dataclass(frozen=True)
class Journal:
    """Results so far, a line of JSON each; a line that was cut short by an interruption is no result."""

    path: Path

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self.path.is_file():
            for line in self.path.read_text(encoding="utf-8", errors="replace").splitlines():
                with suppress(ValueError):
                    if isinstance(row := json.loads(line), dict):
                        yield row

    def add(self, result: dict[str, Any]) -> None:
        """Append a result."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = self.path.read_bytes() if self.path.is_file() else b""
        is_torn = bool(text) and not text.endswith(b"\n")
        with self.path.open("a", encoding="utf-8") as file:
            file.write("\n" * is_torn + json.dumps(result) + "\n")


def run_units(name: str, seed: int, numbers: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Results of the units, each with its faults; after a crash or a hang the next process goes on."""
    waiting = list(numbers)
    while waiting:
        command = [sys.executable, "-m", "tests.campaigns.worker", name, str(seed), *map(str, waiting)]
        with subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0
        ) as process:
            assert process.stdout is not None
            current = None
            while (line := _line(process)) is not None:
                message = json.loads(line)
                if "begins" in message:
                    current = message["begins"]
                    continue
                waiting.remove(message["unit"])
                current = None
                yield {"campaign": name, "seed": seed, **message}
            process.kill()
            code = process.wait()
        if current is None and waiting:
            raise RuntimeError(f"the worker of {name} ended with {code} between two units")
        if current is not None:
            waiting.remove(current)
            how = "hung" if code == -9 else f"died with {code}"
            yield {
                "campaign": name,
                "seed": seed,
                "unit": current,
                "outcomes": {},
                "faults": [f"the process {how}"],
            }


def _line(process: "subprocess.Popen[bytes]") -> bytes | None:
    """The next line of the worker; None if it ended or was silent for too long.

    Its pipe has no buffer, where a second line would wait that ``select`` does not see.
    """
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], _SECONDS)
    return (process.stdout.readline() or None) if ready else None


def main() -> None:
    """Run what the journal lacks and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=CAMPAIGNS, default=CAMPAIGNS)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--units", type=int, help="the first units of each campaign only")
    parser.add_argument("--unit", type=int, help="one unit only, not kept: to look at a fault")
    parser.add_argument("--journal", type=Path, default=REPOSITORY / "data" / "campaigns" / "fuzz.jsonl")
    arguments = parser.parse_args()
    journal = Journal(arguments.journal)
    for name in arguments.only:
        if arguments.unit is not None:
            for result in run_units(name, arguments.seed, [arguments.unit]):
                print(json.dumps(result, indent=2))
            continue
        n_units = import_module(f"tests.campaigns.{name}").N_UNITS
        n_units = min(n_units, arguments.units or n_units)
        done = {row["unit"] for row in journal if row["campaign"] == name and row["seed"] == arguments.seed}
        numbers = [number for number in range(n_units) if number not in done]
        start = shown = time.monotonic()
        for count, result in enumerate(run_units(name, arguments.seed, numbers), 1):
            journal.add(result)
            for fault in result["faults"]:
                print(f"{name}, unit {result['unit']}: {fault}", flush=True)
            if time.monotonic() - shown > 5:
                shown = time.monotonic()
                left = (shown - start) / count * (len(numbers) - count)
                print(f"{name}: {count} of {len(numbers)} units, about {left:,.0f} s left", flush=True)
    if arguments.unit is None:
        sys.exit(_report(journal, arguments.seed))


def _report(journal: Journal, seed: int) -> int:
    """Print what became of all inputs; returns 1 if there were faults."""
    rows = [row for row in journal if row["seed"] == seed]
    print(f"{'campaign':<12}{'inputs':>8}{'results':>9}{'rejects':>9}{'sentences':>11}{'faults':>8}{'MB':>7}")
    n_faults = 0
    for name in CAMPAIGNS:
        mine = [row for row in rows if row["campaign"] == name]
        counts = sum((Counter(row["outcomes"]) for row in mine), Counter())
        faults = sum(len(row["faults"]) for row in mine)
        n_faults += faults
        memory = max((row.get("mb", 0) for row in mine), default=0)
        print(
            f"{name:<12}{counts.total() + faults:>8,}{counts['result']:>9,}{counts['reject']:>9,}"
            f"{counts['sentence']:>11,}{faults:>8,}{memory:>7,}"
        )
    print(f"The journal: {journal.path}")
    return int(n_faults > 0)


if __name__ == "__main__":
    main()

"""What became of hostile inputs."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

MAX_SECONDS = 10.0  # of one input
MAX_BYTES = 2 * 2**30  # of memory


@dataclass
class Findings:
    """Outcomes of a unit of inputs: ``result``, ``reject`` or ``sentence``, and the faults."""

    outcomes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @contextmanager
    def case(self, name: str) -> Iterator[None]:
        """Begin the faults that are found inside with a name."""
        before = len(self.faults)
        yield
        self.faults[before:] = [f"{name}: {fault}" for fault in self.faults[before:]]

    def check_time(self, name: str, seconds: float) -> None:
        """Note an input that took too long."""
        if seconds > MAX_SECONDS:
            self.faults.append(f"{name}: took {seconds:.1f} s")

    def check_leftovers(self, folder: Path) -> None:
        """Note files that were left half-written."""
        self.faults += leftovers(folder)

    def check_sentence(self, name: str, code: int, said: str) -> None:
        """Note a command that failed in another way than with one sentence and status 1 or 2."""
        if "Traceback" in said:
            self.faults.append(f"{name}: a traceback: {said[-600:]}")
        elif code == 0:
            self.outcomes["result"] += 1
        elif code in (1, 2) and "Error: " in said:
            self.outcomes["sentence"] += 1
        else:
            self.faults.append(f"{name}: status {code}: {said[-600:]}")
        if controls := sorted(
            {c for c in said if (ord(c) < 32 and c not in "\n\t\r") or c in "\x7f\u202e\u2066"}
        ):
            self.faults.append(f"{name}: printed {controls}")


def leftovers(folder: Path) -> list[str]:
    """Temporary files in a folder and below it, as faults; git's own are no matter of ours."""
    return [
        f"left over: {path.relative_to(folder)}"
        for path in folder.rglob("*")
        if (".part" in path.name or ".old" in path.name) and ".git" not in path.relative_to(folder).parts
    ]

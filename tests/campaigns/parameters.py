"""Wrong parameters: every key with wrong types, ranges and sizes; unknown keys; quoting of --params."""

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tests.campaigns.findings import Findings
from tests.support.parameters import base_tree
from tests.support.project import REPOSITORY

from lexipix.cli.parameters import read_params
from lexipix.config.root import validate
from lexipix.hooks.parameter_validation import place_of
from lexipix.utils.errors import LexipixError

N_UNITS, N_CASES = 80, 50
_VALUES: tuple[Any, ...] = (
    None, True, "x", "", " ", "1", "auto", -1, 0, 1, 2**31, 2**63, 10**400, -(10**400), 0.5, -0.0, 1e308,
    5e-324, math.nan,
    math.inf, -math.inf, [], [0], ["x"], [[]], {}, {"a": 1}, {"": None}, "\0", "\x1b[31m", "a" * 100_000,
    [1] * 10_000, "../..",
    "{x}", "${run.seed}", "\ud800",
)  # fmt: skip
_WORDS = (
    "run.seed", "ingestion.source.path", "a", "", ".", "..", "run..seed", "run.seed.x", "=", "==", ",", ",,",
    "'", '"', "[", "]",
    "{", "}", "${", "}", "${run.seed}", "!!python/object:x", "&a", "*a", "\\", "\0", "\x1b", " ", "\t", "\n",
    "#", ":", "- ", "7",
    "1e400", "0x7", "1_0", ".nan", "null", "true", "日", "\u202e", "%", "~",
)  # fmt: skip


class Campaign:
    """Each case is one validation of the parameters of ``conf/base``, or one reading of --params."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._cases = list(_wrong(base_tree()))
        np.random.default_rng([seed, 4]).shuffle(self._cases)  # type: ignore[arg-type]

    def unit(self, number: int, work: Path) -> Findings:
        """Validate; a wrong value is one sentence for each key."""
        findings = Findings()
        if number % 8 == 7:
            rng = np.random.default_rng([self.seed, 4, number])
            for _ in range(N_CASES):
                self._read(
                    "".join(_WORDS[i] for i in rng.integers(0, len(_WORDS), rng.integers(1, 9))), findings
                )
            return findings
        per_unit = -(-len(self._cases) // (N_UNITS - N_UNITS // 8))
        first = (number - number // 8) * per_unit
        for path, value in self._cases[first : first + per_unit]:
            self._validate(path, value, findings)
        return findings

    def _validate(self, path: tuple[str, ...], value: Any, findings: Findings) -> None:
        tree = base_tree()
        node = tree
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value
        name, start = f"{'.'.join(path)} = {value!r:.60}", time.perf_counter()
        try:
            validate(tree, lambda key: place_of(REPOSITORY / "conf", "base", {}, key))
        except LexipixError as error:
            said = str(error)
            if len(said) > 20_000:
                findings.faults.append(f"{name}: {len(said):,} characters of error")
            findings.outcomes["sentence"] += 1
        else:
            if (isinstance(value, float) and not math.isfinite(value)) or value in (10**400, -(10**400)):
                findings.faults.append(f"{name}: accepted")
            findings.outcomes["result"] += 1
        findings.check_time(name, time.perf_counter() - start)

    def _read(self, text: str, findings: Findings) -> None:
        start = time.perf_counter()
        try:
            read_params(text, REPOSITORY, REPOSITORY)
            findings.outcomes["result"] += 1
        except ValueError as error:
            if not str(error):
                findings.faults.append(f"--params={text!r}: an empty sentence")
            findings.outcomes["sentence"] += 1
        findings.check_time(f"--params={text!r}", time.perf_counter() - start)


def _wrong(tree: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every key with every wrong value, and an unknown key in every group."""
    for name, inner in tree.items():
        here = (*path, name)
        for value in _VALUES if not isinstance(inner, dict) else _VALUES[::4]:
            yield here, value
        if isinstance(inner, dict):
            yield from _wrong(inner, here)
    for name in ("unknown", "", "\x1b[31m", "a" * 10_000, "__class__"):
        yield (*path, name), 1

"""Hostile folders of exported models: damaged files, wrong configurations, huge files, links."""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np
from tests.campaigns.findings import Findings
from tests.campaigns.picture_files import damaged
from tests.support.exported_models import save_models

from lexipix.cli.errors import sentence
from lexipix.inference.caption_pipeline import CaptionPipeline
from lexipix.inference.text_to_image_pipeline import TextToImagePipeline

N_UNITS, N_CASES = 30, 20
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**31, 2**63, 10**30, 1e308, "x", "", "../../..", [], [1], {}, {"a": 1},
    "__import__('os')",
)  # fmt: skip


class Campaign:
    """Each case is one use of a model folder that somebody changed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def unit(self, number: int, work: Path) -> Findings:
        """Load and use each model; it works, or says in a sentence what is wrong with it."""
        findings = Findings()
        save_models(work)
        for case in range(N_CASES):
            rng = np.random.default_rng([self.seed, 7, number, case])
            name = ["champion", "captioner_champion"][rng.integers(2)]
            folder = work / str(case)
            shutil.copytree(work / "data" / "06_models" / name, folder)
            what, start = f"case {case}, {name}: {_change(rng, folder)}", time.perf_counter()
            try:
                if name == "champion":
                    TextToImagePipeline.from_pretrained(folder)("a big red circle", num_images=2)
                else:
                    CaptionPipeline.from_pretrained(folder)([np.zeros((20, 20, 3), np.uint8)])
                findings.outcomes["result"] += 1
            except Exception as error:
                said = sentence(error)
                if said is None:
                    findings.faults.append(f"{what}: {type(error).__name__}: {str(error)[:300]}")
                else:
                    findings.outcomes["sentence"] += 1
            findings.check_time(what, time.perf_counter() - start)
        return findings


def _change(rng: np.random.Generator, folder: Path) -> str:
    """Change a random file of a folder; returns what was done."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    file = files[rng.integers(len(files))]
    name, kind = file.relative_to(folder), rng.integers(8)
    if kind <= 3 and file.suffix == ".json":
        data = json.loads(file.read_text())
        keys = list(data)
        key, value = keys[rng.integers(len(keys))], _VALUES[rng.integers(len(_VALUES))]
        if kind == 3:
            del data[key]
        else:
            data[key] = value
        file.write_text(json.dumps(data))
        return f"{name}: {key} = {value!r}" if kind < 3 else f"{name} without {key}"
    if kind == 4:
        file.unlink()
        return f"no {name}"
    if kind == 5:
        other = files[rng.integers(len(files))]
        file.write_bytes(other.read_bytes())
        return f"{name} is {other.relative_to(folder)}"
    if kind == 6:
        with file.open("r+b") as opened:
            opened.truncate(3 * 2**30)
        return f"{name} has 3 GiB"
    if kind == 7:
        file.unlink()
        file.symlink_to(["/dev/zero", "/etc/passwd", ".", str(file)][rng.integers(4)])
        return f"{name} is a link to {file.readlink()}"
    file.write_bytes(damaged(rng, file.read_bytes()))
    return f"{name} is damaged"

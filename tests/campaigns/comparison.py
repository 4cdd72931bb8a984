"""The results of a disturbed run beside those of an undisturbed one."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from lexipix.repro.digests import MEASURED, comparable_digest

# Files that have the same bytes, and those that have the same content but for measured values
SAME = (
    "*.safetensors", "*.onnx", "*.npy", "*.parquet", "tokenizer.json", "*.png", "*.tar", "generated.jsonl"
)  # fmt: skip
COMPARABLE = (".json", ".csv")
# Of dvc.yaml
KINDS = ("outs", "metrics", "plots")
VALUES = {"${item.images}": "data/smoke/03_primary/images", "${item.data}": "data/smoke"}
_VARIABLE = (*MEASURED, "code_revision")  # each copy of the project is a commit of its own


def outputs(project: Path, stages: Sequence[str]) -> list[Path]:
    """Files and folders that stages of the smoke environment write, relative to the project."""
    known = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    items = [item for stage in stages for kind in KINDS for item in known[stage]["do"].get(kind, [])]
    paths = [item if isinstance(item, str) else next(iter(item)) for item in items]
    for name, value in VALUES.items():
        paths = [path.replace(name, value) for path in paths]
    return list(map(Path, paths))


def differences(project: Path, undisturbed: Path, places: Sequence[str | Path]) -> Iterator[str]:
    """Faults of results, in files and folders of a project, beside those of an undisturbed run."""
    for place in places:
        mine, theirs = _contents(project / place), _contents(undisturbed / place)
        if not theirs:
            yield f"the undisturbed run has nothing in {place}"
        for name in sorted(mine.keys() | theirs.keys()):
            if name not in mine:
                yield f"{Path(place, name)} is missing"
            elif name not in theirs:
                yield f"{Path(place, name)} is in no undisturbed run"
            elif mine[name] != theirs[name]:
                yield f"{Path(place, name)} is other than undisturbed"


def is_report(path: Path) -> bool:
    """Whether a file shows measured values; the curves of trainings name them."""
    return "08_reporting" in path.parts and "curves" not in path.parts


def _contents(place: Path) -> dict[str, str]:
    """Digests of all that the same run must give again: not of the champion, which is chosen by speed."""
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    found = {}
    for path in files:
        is_chosen = "champion" in str(path) or "checkpoints" in path.parts
        if is_chosen or is_report(path):
            continue
        if any(path.match(pattern) for pattern in SAME):
            found[path.relative_to(place).as_posix()] = hashlib.md5(path.read_bytes()).hexdigest()
        elif path.suffix in COMPARABLE:
            found[path.relative_to(place).as_posix()] = comparable_digest(path, _VARIABLE)
    return found

"""A smaller folder of pictures out of a captioned one, to see what so few pictures and captions come to.

    python benchmarks/subset.py SOURCE OUT --pictures 500 [--captioned 0.1] [--style noto twemoji] [--seed 7]

SOURCE has `train/metadata.jsonl` (and perhaps `test/metadata.jsonl`), as `lexipix` reads a folder of splits.
OUT gets that many of its training pictures, drawn by chance; a share of them keep their rows of metadata and
the others have none. The test pictures come along with their captions, if any training picture keeps one.
"""

# ruff: noqa: T201

from __future__ import annotations

import argparse
import json
import random
import shutil
from pathlib import Path
from typing import Any


def main() -> None:
    """Prints what was written and where."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path, help="a new folder")
    parser.add_argument("--pictures", type=int, required=True)
    parser.add_argument("--captioned", type=float, default=1.0, help="share that keeps its caption")
    parser.add_argument("--style", nargs="+", help="only pictures whose field `style` is one of these")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.out.exists():
        parser.error(f"{arguments.out} is there already: name a new folder")
    if not 0 <= arguments.captioned <= 1:
        parser.error(f"--captioned {arguments.captioned:g} must lie between 0 and 1")
    rows = rows_of(arguments.source / "train", arguments.style)
    if not 1 <= arguments.pictures <= len(rows):
        parser.error(f"--pictures {arguments.pictures} must lie between 1 and the {len(rows)} there are")
    draw = random.Random(arguments.seed)
    chosen = draw.sample(rows, arguments.pictures)
    n_captioned = round(arguments.captioned * len(chosen))
    copy(arguments.source / "train", arguments.out / "train", chosen, n_captioned)
    print(f"{len(chosen)} pictures, {n_captioned} of them with a caption, in {arguments.out / 'train'}")
    if n_captioned and (arguments.source / "test").is_dir():
        tests = rows_of(arguments.source / "test", arguments.style)
        copy(arguments.source / "test", arguments.out / "test", tests, len(tests))
        print(f"{len(tests)} test pictures in {arguments.out / 'test'}")


def rows_of(folder: Path, styles: list[str] | None) -> list[dict[str, Any]]:
    """Rows of a folder's metadata, those of the given styles only."""
    text = (folder / "metadata.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines() if line.strip()]
    return [row for row in rows if styles is None or row.get("style") in styles]


def copy(source: Path, out: Path, rows: list[dict[str, Any]], n_captioned: int) -> None:
    """Copy the rows' pictures, and the first rows themselves."""
    for row in rows:
        place = out / row["file_name"]
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["file_name"], place)
    if n_captioned:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows[:n_captioned]]
        (out / "metadata.jsonl").write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()

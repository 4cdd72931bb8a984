"""Hostile metadata files: wrong types, missing and doubled keys, other places, columns and delimiters."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.campaigns.findings import Findings
from tests.campaigns.ingesting import ingest_folder, unaccounted
from tests.campaigns.picture_files import drawing

N_UNITS, N_CASES = 50, 20
_N_ROWS = 12
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 1e308, [], ["a", "b"], {}, {"a": 1}, "", " ", "\0", "a" * 5000, "\ud800", "=1+1",
    [["a"]], [None, "a"], float("nan"), 10**400, "\u202ea",
)  # fmt: skip
_NAMES = (
    "/etc/passwd", "../0.png", "./0.png", "a/../0.png", "0.PNG", "nothing.png", "", ".", "..", "/", "0.png/",
    "~/0.png",
    "0.png\0", "a" * 5000, "\\0.png", "C:\\0.png", "file:///etc/passwd", "http://x/0.png", "images/0.png",
    "*.png",
)  # fmt: skip
_SUFFIXES = (".jsonl", ".csv", ".tsv", ".json", ".parquet")


class Campaign:
    """Each case is one ingestion of a small folder with a hostile metadata file."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def unit(self, number: int, work: Path) -> Findings:
        """Ingest each of the unit's folders: an image or a reject for each file, or one sentence."""
        findings = Findings()
        for case in range(N_CASES):
            rng = np.random.default_rng([self.seed, 3, number, case])
            folder = work / str(case)
            for part in ("val", "test", "train"):
                (folder / "images" / part).mkdir(parents=True)
                for i in range(_N_ROWS if part == "train" else 1):
                    drawing(rng).save(folder / "images" / part / f"{i}.png")
            suffix = _SUFFIXES[rng.integers(len(_SUFFIXES))]
            content = _metadata(rng, suffix)
            (folder / "images" / "train" / f"metadata{suffix}").write_bytes(content)
            with findings.case(f"case {case} ({suffix})"):
                found = ingest_folder(folder, findings, {"source": {"folder": {"min_named_share": 0.0}}})
                if found is not None:
                    findings.outcomes["result"] += 1
                    findings.faults += unaccounted([f"train/{i}.png" for i in range(_N_ROWS)], *found)
        return findings


def _metadata(rng: np.random.Generator, suffix: str) -> bytes:
    rows: list[dict[str, Any]] = [
        {"file_name": f"{i}.png", "text": f"a star {i}", "style": "x"} for i in range(_N_ROWS)
    ]
    for _ in range(rng.integers(1, 4)):
        row = rows[rng.integers(len(rows))]
        kind = rng.integers(7)
        if kind == 0:
            row["text"] = _VALUES[rng.integers(len(_VALUES))]
        elif kind == 1:
            row["file_name"] = _NAMES[rng.integers(len(_NAMES))]
        elif kind == 2:
            row["file_name"] = _VALUES[rng.integers(len(_VALUES))]
        elif kind == 3:
            row.pop(["file_name", "text", "style"][rng.integers(3)], None)
        elif kind == 4:
            rows.append(dict(row))
        elif kind == 5:
            row[str(_VALUES[rng.integers(len(_VALUES))])] = "more"
        else:
            name = ["file_name", "text"][rng.integers(2)]
            for one in rows:
                one[name.upper()] = one.pop(name, None)
    content = _written(rng, suffix, rows)
    kind = rng.integers(8)
    if kind == 0:
        return content[: rng.integers(len(content) + 1)]
    if kind == 1:
        damaged = bytearray(content)
        for _ in range(rng.integers(1, 6)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        return bytes(damaged)
    if kind == 2:
        return content + [b"\0", b"{", b'"', b"\xff\xfe", b"[" * 100_000, b"a" * 2**21][rng.integers(6)]
    if kind == 3 and suffix != ".parquet":
        return content.decode("utf-8", "surrogatepass").encode(
            ["utf-16", "utf-8-sig", "utf-32"][rng.integers(3)], "replace"
        )
    return content


def _written(rng: np.random.Generator, suffix: str, rows: list[dict[str, Any]]) -> bytes:
    if suffix == ".jsonl":
        return "\n".join(json.dumps(row) for row in rows).encode()
    if suffix == ".json":
        if rng.random() < 0.5:
            return json.dumps({str(row.get("file_name")): row.get("text") for row in rows}).encode()
        return json.dumps(rows).encode()
    if suffix == ".parquet":
        names = sorted({name for row in rows for name in row})
        plain = [{str(_plain(name)): _plain(row.get(name)) for name in names} for row in rows]
        file = io.BytesIO()
        pq.write_table(pa.Table.from_pylist(plain), file)
        return file.getvalue()
    file = io.StringIO(newline="")
    names = list(dict.fromkeys(name for row in rows for name in row))
    delimiter = ",;\t|"[rng.integers(4)] if suffix == ".csv" else "\t"
    quoting = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL][rng.integers(2)]
    writer = csv.DictWriter(file, names, delimiter=delimiter, quoting=quoting)
    writer.writeheader()
    writer.writerows(rows)
    return file.getvalue().encode("utf-8", "surrogatepass")


def _plain(value: Any) -> str | None:
    return None if value is None else str(value).encode("utf-8", "replace").decode()

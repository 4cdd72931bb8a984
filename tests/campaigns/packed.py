"""Hostile archives and tables: names, links, damage, bombs, wrong types, in zip, tar, Parquet and Arrow."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from tests.campaigns.captions import TEXTS
from tests.campaigns.findings import Findings
from tests.campaigns.ingesting import ingest_folder, unaccounted
from tests.campaigns.picture_files import drawing

N_UNITS, N_CASES = 50, 20
_N_IMAGES = 16
_SPLITS = {"val": 0.3, "test": 0.3}  # so that none is empty
_NAMES = (
    "../a.png", "/a.png", "a/../../b.png", "C:\\a.png", "a\0b.png", "", ".", "/", "a" * 300 + ".png",
    "a/" * 500 + "b.png", "\x1b[31m.png", "\u202ea.png", "train/a.png", "__MACOSX/a.png", ".a.png",
    "metadata.jsonl", "a.png/b.png", "=1+1.png", "con.png", "a.tar", "b.zip",
)  # fmt: skip
_CELLS: tuple[Any, ...] = (
    None, b"", b"no image", b"\x89PNG", b"a" * 2**16, b"BM" + b"\xff" * 60,
)  # fmt: skip


class Campaign:
    """Each case is one ingestion of a hostile archive or table."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def unit(self, number: int, work: Path) -> Findings:
        """Ingest each: an image or a reject for each file of what is whole, or one sentence."""
        findings = Findings()
        for case in range(N_CASES):
            rng = np.random.default_rng([self.seed, 8, number, case])
            suffix = ("zip", "tar", "parquet", "arrow")[rng.integers(4)]
            files = _files(rng)
            content = _WRITERS[suffix](rng, files)
            is_whole = rng.random() < 0.4
            folder = work / str(case)
            folder.mkdir()
            (folder / f"images.{suffix}").write_bytes(content if is_whole else _damaged(rng, content))
            with findings.case(f"case {case} ({suffix})"):
                found = ingest_folder(
                    folder, findings, {"source": {"path": f"images.{suffix}"}, "splits": _SPLITS}
                )
                if found is not None:
                    findings.outcomes["result"] += 1
                    if is_whole:
                        findings.faults += unaccounted(_expected(suffix, files, found[0]), *found)
                allowed = {f"images.{suffix}", "store"}
                written = [path for path in folder.iterdir() if path.name not in allowed]
                written += [path for path in work.iterdir() if not path.name.isdigit()]
                findings.faults += [f"written: {path}" for path in written]
        return findings


def _expected(suffix: str, files: dict[str, bytes], captions: pd.DataFrame) -> list[str]:
    """What the images of a whole archive or table are called."""
    if suffix in ("parquet", "arrow"):
        return [f"images.{suffix}:{row}" for row in range(1, len(files) + 1)]
    names = [f"good/{image}.png" for image in range(_N_IMAGES)]
    if not set(names) & set(captions["file"]):  # it was the only folder, which is left out
        names = [name.removeprefix("good/") for name in names]
    return names


def _files(rng: np.random.Generator) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for number in range(_N_IMAGES):
        file = io.BytesIO()
        drawing(rng).save(file, "PNG")
        files[f"good/{number}.png"] = file.getvalue()
        if rng.random() < 0.5:
            text = TEXTS[rng.integers(len(TEXTS))]
            files[f"good/{number}.txt"] = text.encode("utf-8", "replace")
    for _ in range(rng.integers(1, 4)):
        name = _NAMES[rng.integers(len(_NAMES))]
        files[name] = _CELLS[rng.integers(len(_CELLS))] or files["good/0.png"]
    return files


def _zip(rng: np.random.Generator, files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            method = zipfile.ZIP_DEFLATED if rng.random() < 0.5 else zipfile.ZIP_STORED
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("\0", "")
            info.compress_type = method
            if rng.random() < 0.05 and not name.startswith("good/"):
                info.external_attr = 0o120777 << 16
            archive.writestr(info, content)
    return file.getvalue()


def _tar(rng: np.random.Generator, files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    formats = (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
    with tarfile.open(fileobj=file, mode="w", format=formats[rng.integers(2)]) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name.replace("\0", ""))
            member.size = len(content)
            if rng.random() < 0.1 and not name.startswith("good/"):
                member.type, member.size, member.linkname = tarfile.SYMTYPE, 0, "/etc/passwd"
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _table(rng: np.random.Generator, files: dict[str, bytes]) -> pa.Table:
    cells: list[Any] = [{"bytes": content, "path": name} for name, content in files.items()]
    for _ in range(rng.integers(3)):
        cell = _CELLS[rng.integers(len(_CELLS))]
        cells[rng.integers(len(cells))] = {"bytes": cell, "path": None} if rng.random() < 0.7 else None
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    texts = [TEXTS[rng.integers(len(TEXTS))].encode("utf-8", "replace").decode() for _ in cells]
    name = ("text", "caption", "label", "other")[rng.integers(4)] if rng.random() < 0.3 else "text"
    return pa.table({"image": pa.array(cells, kind), name: texts, "number": list(range(len(cells)))})


def _parquet(rng: np.random.Generator, files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    pq.write_table(_table(rng, files), file, row_group_size=int(rng.integers(2, 20)))
    return file.getvalue()


def _arrow(rng: np.random.Generator, files: dict[str, bytes]) -> bytes:
    file, table = io.BytesIO(), _table(rng, files)
    opened = pa.ipc.new_stream if rng.random() < 0.7 else pa.ipc.new_file
    with opened(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=int(rng.integers(2, 20)))
    return file.getvalue()


_WRITERS = {"zip": _zip, "tar": _tar, "parquet": _parquet, "arrow": _arrow}


def _damaged(rng: np.random.Generator, content: bytes) -> bytes:
    kind = rng.integers(5)
    if kind == 0:
        return content[: rng.integers(len(content) + 1)]
    if kind == 1:
        return content + bytes(rng.integers(0, 256, 3000, np.uint8))
    damaged = bytearray(content)
    # Most of the bytes are pixels: damage to the first and last ones concerns the structure
    ends = [*range(min(600, len(content))), *range(max(0, len(content) - 900), len(content))]
    for _ in range(rng.integers(1, 8)):
        place = ends[rng.integers(len(ends))] if kind < 4 else rng.integers(len(damaged))
        damaged[place] = (0, 255, 127, int(rng.integers(256)))[rng.integers(4)]
    return bytes(damaged)

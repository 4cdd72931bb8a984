"""Hostile picture files: damaged, huge, strangely named, no files at all, or changing while they are read."""

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from tests.campaigns.findings import Findings
from tests.campaigns.ingesting import account, ingest_folder
from tests.campaigns.picture_files import bombs, damaged, drawing, whole_files, written

N_UNITS, N_CASES = 84, 60
_AWKWARD = (
    "=cmd|' /C calc'!A0", "+1", "-rf", "@sum", "$(touch x)", "`touch x`", ";ls", "a b", " lead", "trail ",
    "dot.",
    "new\nline", "tab\tname", "\x1b[31mred", "bell\a", "quote\"", "quote'", "{caption}", "{0.__class__}",
    "%s%n",
    "<script>alert(1)<", "&amp;", "CON", "nul", "a" * 240, "é", "e\u0301", "\u202egnp", "\u2066x", "图",
    "👩‍👩‍👧", "ﷺ" * 40,
    "\\", "a\\b", "~", "*", "?", "[a]", "#", "--params", "\u200b", "\ufeff", "UPPER", "upper", "a.png",
    "a.tar.gz", "x..x",
)  # fmt: skip
_BYTES = (b"\xff\xfe", b"caf\xe9", b"\x80\x81\x82", b"\xed\xa0\x80")


class Campaign:
    """Each unit is one ingestion of a folder with clean pictures and hostile ones."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._special: tuple[Callable[[Path], list[str]], ...] = (
            self._bombs, self._whole, self._names, self._folders, self._no_files,
        )  # fmt: skip

    def unit(self, number: int, work: Path) -> Findings:
        """Ingest the pictures of a unit; every one must become an image or a reject."""
        findings = Findings()
        rng = np.random.default_rng([self.seed, 1, number])
        train = work / "images" / "train"
        for part, count in {"train": 3, "val": 2, "test": 2}.items():
            (work / "images" / part).mkdir(parents=True)
            for i in range(count):
                drawing(rng).save(work / "images" / part / f"clean {i}.png")
        changing = number % 16 == 15
        is_special = number < len(self._special)
        files = self._special[number](train) if is_special else self._damaged(train, rng)
        stop = threading.Event()
        if changing:
            threading.Thread(target=_change, args=(train, rng, stop), daemon=True).start()
        sizes = {} if number % 4 else {"image_size": None, "alpha": "auto"}
        try:
            found = ingest_folder(work, findings, {} if changing else sizes)
        finally:
            stop.set()
        if changing:  # those that were deleted before the folder was listed have never been there
            files = [file for file in files if (train / file).exists()]
        if found is not None:
            account(findings, [f"train/{file}" for file in files], *found)
        elif not changing:
            findings.faults.append("the whole ingestion stopped")
        return findings

    def _damaged(self, folder: Path, rng: np.random.Generator) -> list[str]:
        files = []
        for i in range(N_CASES):
            suffix, content = whole_files()[rng.integers(len(whole_files()))]
            files.append(f"{i:03d}{suffix}")
            (folder / files[-1]).write_bytes(damaged(rng, content))
        return files

    def _whole(self, folder: Path) -> list[str]:
        """Every format and mode, undamaged."""
        files = []
        for i, (suffix, content) in enumerate(whole_files()):
            files.append(f"{i:03d}{suffix}")
            (folder / files[-1]).write_bytes(content)
        return [file for file in files if not file.endswith((".eps", ".ps"))]

    def _bombs(self, folder: Path) -> list[str]:
        files = []
        for name, content in bombs():
            (folder / name).write_bytes(content)
            files.append(name)
        return files

    def _names(self, folder: Path) -> list[str]:
        rng, files = np.random.default_rng(2), []
        names = [os.fsencode(f"{name[:240]}.png") for name in _AWKWARD] + [name + b".png" for name in _BYTES]
        for name in names:
            content = written(drawing(rng), "PNG") or b""
            try:
                path = os.path.join(os.fsencode(folder), name[-250:])  # noqa: PTH118 - bytes
                with open(path, "xb") as file:  # noqa: PTH123 - bytes
                    file.write(content)
            except OSError:  # the file system does not allow the name
                continue
            files.append(os.fsdecode(name[-250:]))
        return files

    def _folders(self, folder: Path) -> list[str]:
        """Folders with awkward names: they are class names, and so captions."""
        rng, files = np.random.default_rng(3), []
        for name in _AWKWARD:
            try:
                (folder / name).mkdir()
            except OSError:
                continue
            for i in range(2):
                (folder / name / f"{i}.png").write_bytes(written(drawing(rng), "PNG") or b"")
                files.append(f"{name}/{i}.png")
        return files

    def _no_files(self, folder: Path) -> list[str]:
        os.mkfifo(folder / "pipe.png")
        (folder / "loop.png").symlink_to("loop.png")
        (folder / "nowhere.png").symlink_to("nothing.png")
        (folder / "zero.png").symlink_to("/dev/zero")
        (folder / "passwd.png").symlink_to("/etc/passwd")
        (folder / "folder.png").mkdir()
        (folder / "circle").symlink_to(folder)
        (folder / "outside").symlink_to(folder.parent.parent.parent)
        (folder / "empty.png").touch()
        with socket.socket(socket.AF_UNIX) as one:
            here = Path.cwd()
            os.chdir(folder)  # the path of a socket is short
            try:
                one.bind("socket.png")
            finally:
                os.chdir(here)
        deep = folder
        for _ in range(60):
            deep = deep / "d"
        deep.mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(deep / "deep.png")
        return [
            "pipe.png", "loop.png", "nowhere.png", "zero.png", "passwd.png", "empty.png", "socket.png",
            f"{deep.relative_to(folder)}/deep.png",
        ]  # fmt: skip


def _change(folder: Path, rng: np.random.Generator, stop: threading.Event) -> None:
    """Cuts, replaces and deletes files while they are read."""
    files = sorted(path for path in folder.iterdir() if not path.name.startswith("clean"))
    while not stop.is_set() and files:
        path = files[rng.integers(len(files))]
        try:
            if rng.random() < 0.3:
                path.unlink()
            else:
                content = path.read_bytes()
                path.write_bytes(content[: int(rng.integers(len(content) + 1))])
        except OSError:
            pass
        stop.wait(0.001)

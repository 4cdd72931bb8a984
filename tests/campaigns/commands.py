"""Hostile arguments of the commands: prompts, files of prompts, pictures, output places."""

import string
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from tests.campaigns.captions import TEXTS
from tests.campaigns.findings import Findings
from tests.campaigns.picture_files import damaged, whole_files
from tests.support.exported_models import save_models
from tests.support.project import copy_project, environment_without_settings

N_UNITS, N_CASES = 120, 5
_NUMBERS = ("0", "-1", "1", "2", "x", "", "1e9", "99999999999999999999", "nan", "1.5", "--", "１")
_PLACES = (
    "new",
    "existing",
    "read_only",
    "file",
    "data",
    "/dev/null",
    "/proc/x",
    "a" * 300,
    "\x1b[31m",
    "x.tar",
    "x.zip",
    "",
)


class Campaign:
    """Each case is one command in a project with small models."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def unit(self, number: int, work: Path) -> Findings:
        """Run five commands; each ends with a result or one sentence."""
        findings = Findings()
        project = work / "project"
        project.mkdir()
        copy_project(project)
        save_models(project)
        for name in ("existing", "read_only"):
            (project / name).mkdir()
        (project / "existing" / "mine.txt").write_text("mine")
        (project / "file").write_text("mine")
        (project / "read_only").chmod(0o500)
        rng = np.random.default_rng([self.seed, 5, number])
        for case in range(N_CASES):
            words, given = _command(rng, project, case)
            start = time.perf_counter()
            try:
                answer = subprocess.run(
                    [sys.executable, "-m", "kedro", *words],
                    cwd=project, env=environment_without_settings() | {"LEXIPIX_MLFLOW": "0"},
                    input=given, capture_output=True, timeout=60, check=False,
                )  # fmt: skip
            except subprocess.TimeoutExpired:
                findings.faults.append(f"{words!r:.300}: still running after 60 s")
                continue
            said = (answer.stdout + answer.stderr).decode("utf-8", "replace")
            findings.check_sentence(f"{words!r:.300}", answer.returncode, said)
            findings.check_time(f"{words!r:.300}", time.perf_counter() - start)
        findings.check_leftovers(project)
        if (project / "file").read_text() != "mine" or (
            project / "existing" / "mine.txt"
        ).read_text() != "mine":
            findings.faults.append("a file of the user was changed")
        return findings


def _command(rng: np.random.Generator, project: Path, case: int) -> tuple[list[str], bytes | None]:
    texts = [text for text in TEXTS if "\0" not in text and "\ud800" not in text]
    text, number, place = (some[rng.integers(len(some))] for some in (texts, _NUMBERS, _PLACES))
    kind = int(rng.integers(7))
    if kind == 0:
        return ["generate", text, "--out", place], None
    if kind == 1:
        return ["generate", text, ["-n", "--seed", "--candidates"][rng.integers(3)], number], None
    if kind == 2:
        file = project / f"prompts {case}.txt"
        content = [b"", b"\xff\xfe", b"a\0b\n", b"a red star\n" * 3, text.encode("utf-8"), b"x" * 2**21][
            rng.integers(6)
        ]
        file.write_bytes(content)
        return ["generate", "--prompts", str(file), "--out", place], None
    if kind == 3:
        content = [b"", b"a red star\n", b"\xff", text.encode("utf-8")][rng.integers(4)]
        return [
            "generate",
            "--prompts",
            ["-", "/dev/stdin", "/dev/null", str(project)][rng.integers(4)],
        ], content
    if kind == 4:
        suffix, content = whole_files()[rng.integers(len(whole_files()))]
        file = project / f"picture {case}{suffix}"
        file.write_bytes(content if rng.random() < 0.3 else damaged(rng, content))
        more: list[str] = [[], ["--text", text], ["--until", text[:50]], ["--budget", number]][
            rng.integers(4)
        ]
        return ["caption", str(file)] if rng.random() < 0.4 else ["redraw", str(file), *more], None
    if kind == 5:
        return [
            "caption",
            [str(project), "/dev/null", "nothing.png", "\x1b[31m.png", "", "-"][rng.integers(6)],
        ], None
    # An option without a value is not given: that would be a whole run
    name, number, place = (value.strip(string.whitespace + ",") or "x" for value in (text, number, place))
    words: list[list[str]] = [
        ["run", "--env", name[:100]], ["run", f"--params={name[:200]}"], ["run", "--pipelines", name[:100]],
        ["run", "--from-nodes", name[:100]], ["generate", text, "--env", "nope"],
        ["generate", text, "--model", number],
        ["estimate", "--env", number], ["reproduce", number], ["run", "--runner", number],
        ["run", "--conf-source", place],
    ]  # fmt: skip
    return words[rng.integers(len(words))], None

"""The commands of the pages in docs/, executed as they are written there.

They run in a copy of a finished smoke run, with ``KEDRO_ENV=smoke`` where they name no environment. What a
page says that they answer, they answer.
"""

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from .conftest import REPOSITORY, environment_without_settings

# Executed by another test, which is named; it must be there.
ELSEWHERE = {
    "run": {
        "kedro run": "test_smoke.py::test_every_output_is_there",
        "kedro estimate": "test_estimate.py",
    },
}
# Trainings of a page that are long in themselves
SHORT = ",".join(
    f"{training}.training.images={images}"
    for training, images in {
        "features": 256, "captioner": 256, "generator.vae": 128, "generator.prior": 128, "generator.gan": 128,
        "compression.small": 128, "compression.small.reader": 128, "evaluation.evaluator": 256,
    }.items()
)  # fmt: skip
LONG = {"kedro run --env folder --params=ingestion.source.path=my-pictures": f",{SHORT}"}
PAGES = ("run", "own-data")


@dataclass(frozen=True)
class Command:
    """A line that begins with ``$``, and the lines below it that are its answer."""

    words: str
    answer: tuple[str, ...]


def commands(page):
    text = (REPOSITORY / "docs" / f"{page}.md").read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            line, *answer = part.rstrip("\n").split("\n")
            found.append(Command(line.split("  #")[0].strip(), tuple(one for one in answer if one)))
    return found


@pytest.fixture
def project(smoke, tmp_path):
    """A finished project with pictures and prompts of its own."""
    path = tmp_path / "project"
    shutil.copytree(smoke.path, path, ignore=shutil.ignore_patterns("mlartifacts", "__pycache__"))
    (path / "prompts.txt").write_text(
        "a small red star on white\na big blue circle on navy\n", encoding="utf-8"
    )
    for file in (path / "conf" / "smoke").glob(
        "parameters*.yml"
    ):  # networks as small as smoke's for the folder
        if file.name != "parameters_ingestion.yml":
            shutil.copy(file, path / "conf" / "folder" / file.name)
    draw = np.random.default_rng(3)
    (path / "my-pictures").mkdir()
    for number in range(200):
        color = draw.integers(0, 255, 3)
        pixels = np.full((40, 40, 3), color, np.uint8)
        pixels[8:24, 8:24] = draw.integers(0, 255, 3)
        Image.fromarray(pixels).save(path / "my-pictures" / f"{number}.png")
        (path / "my-pictures" / f"{number}.txt").write_text(f"red heart number {number}", encoding="utf-8")
    return path


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page, project):
    places = environment_without_settings()
    places["PATH"] = f"{Path(sys.executable).parent}:{places['PATH']}"
    places |= {"KEDRO_ENV": "smoke", "LEXIPIX_MLFLOW": "0"}
    elsewhere = ELSEWHERE.get(page, {})
    found = commands(page)
    assert found
    assert set(elsewhere) <= {one.words for one in found}, "a command is gone from the page"
    for one in found:
        if one.words in elsewhere:
            file, _, name = elsewhere[one.words].partition("::")
            assert f"def {name}" in (REPOSITORY / "tests" / file).read_text(encoding="utf-8")
            continue
        line = one.words + LONG.get(one.words, "")
        answer = subprocess.run(
            ["bash", "-c", line], cwd=project, env=places, capture_output=True, text=True, check=False
        )
        said = " ".join((answer.stdout + answer.stderr).replace(str(project), "/home/you/lexipix").split())
        failed = any(word.startswith(("Error", "error")) for word in one.answer)
        assert (answer.returncode != 0) == failed, f"{line}\n{said[-3000:]}"
        for words in one.answer:
            assert " ".join(words.split()) in said, line

"""The commands of the pages in docs/, executed as they are written there.

They run in a copy of a finished smoke run, with ``KEDRO_ENV=smoke`` where they name no environment. What a
page says that they answer, they answer. What takes minutes, servers or a browser has a test of its own.
"""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support.project import REPOSITORY, environment_without_settings

# What takes minutes, a server or a browser is done by the test that is named, with a command of its kind:
# page and pattern of the command -> file::test
ELSEWHERE = {
    ("run", "kedro run$"): "test_smoke.py::test_every_output_is_there",
    ("run", "kedro estimate"): "test_estimate.py::test_",
    ("own-data", "kedro run .*image_size=64"): "test_own_pictures.py::test_a_captioner_from_elsewhere_at_64",
    ("own-data", "kedro run .*captioner="): "test_own_pictures.py::test_a_captioner_from_elsewhere_at_64",
    ("run", "python benchmarks/candidates"): "test_benchmark_candidates.py::test_the_whole_benchmark_on",
    (
        "reproduce",
        "dvc repro",
    ): "test_dvc_lineage.py::test_stages_of_one_repro_have_one_parent_with_their_figures",
    ("reproduce", "git"): "test_dvc_remotes.py::test_a_folder",
    ("reproduce", "cd"): "test_dvc_remotes.py::test_a_folder",
    ("reproduce", "dvc exp run"): "test_dvc_experiments.py::test_experiments_run_what_they_change_and_leave",
    ("reproduce", "dvc checkout"): "test_dvc_repro.py::test_changed_result_concerns_who_made_it",
    ("reproduce", "dvc queue"): "test_dvc_experiments.py::test_experiments_run_what_they_change_and_leave",
    ("reproduce", "dvc exp"): "test_dvc_experiments.py::test_table_of_experiments",
    ("reproduce", "dvc metrics diff"): "test_dvc_experiments.py::test_figures_of_two_revisions_are_compared",
    ("reproduce", "dvc params diff"): "test_dvc_experiments.py::test_figures_of_two_revisions_are_compared",
    (
        "reproduce",
        "dvc plots diff",
    ): "test_dvc_experiments.py::test_pictures_of_two_revisions_stand_side_by_side",
    ("reproduce", "dvc remote"): "test_dvc_remotes.py::test_an_s3_compatible_server",
    ("reproduce", "dvc push"): "test_dvc_remotes.py::test_an_s3_compatible_server",
    ("reproduce", "dvc pull"): "test_dvc_remotes.py::test_an_s3_compatible_server",
    ("reproduce", "kedro reproduce"): "test_reproduce.py::test_a_whole_run_gives_the_same_bytes_again",
    ("browse", "kedro run"): "test_smoke.py::test_every_output_is_there",
    (
        "browse",
        "make",
    ): "test_mlflow_ui.py::test_pictures_of_two_runs_stand_side_by_side_and_follow_the_slider",
    ("browse", "LEXIPIX_SCREENSHOTS"): "test_mlflow_ui.py::test_the_list_of_runs_shows_the_figures",
    ("browse", "pip"): "datasets/test_previews.py::test_",
    ("browse", "kedro viz"): "datasets/test_previews.py::test_",
    ("serve", "make"): "test_serving.py::test_the_same_seed_gives_the_bytes_of_kedro_generate",
    ("serve", "curl"): "test_serving.py::test_prompts_are_answered_in_order_each_with_its_warning",
    ("serve", "echo"): "test_serving.py::test_captions_are_those_of_kedro_caption",
    ("serve", "python"): "test_registry.py::test_run_that_evaluates_registers_both_models",
    ("share", "pip"): "test_shared_server.py::test_run_and_its_artifacts_are_there",
    ("share", "export"): "test_shared_server.py::test_run_and_its_artifacts_are_there",
    ("share", "mlflow"): "test_shared_server.py::test_models_are_registered_there_and_can_be_used",
    ("share", "kedro run"): "test_shared_server.py::test_run_and_its_artifacts_are_there",
    ("share", "make"): "test_shared_server.py::test_models_are_registered_there_and_can_be_used",
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
PAGES = ("run", "own-data", "reproduce", "browse", "serve", "share")


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


def elsewhere(page, words):
    """The test that does what a command does; None if it is to be executed here."""
    known = (test for (own, pattern), test in ELSEWHERE.items() if own == page and re.match(pattern, words))
    return next(known, None)


@pytest.fixture
def project(smoke, tmp_path):
    """A finished project with pictures and prompts of its own."""
    path = tmp_path / "project"
    shutil.copytree(smoke.path, path, ignore=shutil.ignore_patterns("mlartifacts", "__pycache__"))
    (path / "prompts.txt").write_text(
        "a small red star on white\na big blue circle on navy\n", encoding="utf-8"
    )
    draw = np.random.default_rng(3)
    (path / "my-pictures").mkdir()
    rows = []
    for number in range(200):
        color = draw.integers(0, 255, 3)
        pixels = np.full((40, 40, 3), color, np.uint8)
        pixels[8:24, 8:24] = draw.integers(0, 255, 3)
        Image.fromarray(pixels).save(path / "my-pictures" / f"{number}.png")
        if number % 10 == 0:  # the others wait for the captioner
            style = ("noto", "twemoji", "fluent3d")[number // 10 % 3]
            row = {"file_name": f"{number}.png", "text": "red heart", "text_zh": "红心", "style": style}
            rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    (path / "my-pictures" / "metadata.jsonl").write_text("".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page, project):
    places = environment_without_settings()
    places["PATH"] = f"{Path(sys.executable).parent}:{places['PATH']}"
    places |= {"KEDRO_ENV": "smoke", "LEXIPIX_MLFLOW": "0"}
    found = commands(page)
    assert found
    if page == "own-data":  # networks as small as smoke's
        for file in (project / "conf" / "smoke").glob("parameters*.yml"):
            if file.name != "parameters_ingestion.yml":
                shutil.copy(file, project / "conf" / "folder" / file.name)
    for one in found:
        if test := elsewhere(page, one.words):
            file, _, name = test.partition("::")
            assert f"def {name}" in (REPOSITORY / "tests" / file).read_text(encoding="utf-8"), test
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

"""The documentation: every command of the pages works as written, and links and file names exist.

The commands run in a copy of a finished smoke run, with ``KEDRO_ENV=smoke`` unless they name an environment.
The lines below a command must occur in its output. Commands that take minutes, a server or a browser are
covered by another test.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from tests.support.project import REPOSITORY, environment_without_settings, make_folder_environment_small
from tests.support.small_world import save_language_model

# Page and pattern of a command -> the test that covers it
COVERED_ELSEWHERE = {
    ("README", "kedro (run|generate) .*--env folder"): "test_docs.py::test_every_command_of_a_page_works",
    ("CONTRIBUTING", "pre-commit"): "test_docs.py::test_hooks_before_a_commit_run_what_make_lint_runs",
    ("CONTRIBUTING", "kedro run"): "test_smoke.py::test_every_output_is_there",
    ("run", "kedro run$"): "test_smoke.py::test_every_output_is_there",
    ("run", "kedro run --pipelines captioner$"): "test_smoke.py::test_every_output_is_there",
    ("run", "kedro run --pipelines generator --tags"): "repro/test_rerun.py::test_stages_give_the_same_bytes",
    ("run", "kedro run --only-missing-outputs"): "test_smoke.py::test_second_run_goes_on_from_what_is_there",
    ("run", "kedro estimate"): "repro/test_cost_estimate.py::test_",
    (
        "generate",
        "kedro redraw .*--optimize(-steps 8$| noise)",
    ): "inference/test_inversion.py::test_steps_lead",
    ("cifar10", "dvc update"): "datasets/sources/test_cifar10.py::test_dvc_import_is_the_one_that_is_checked",
    ("cifar10", "kedro run"): "datasets/sources/test_cifar10.py::test_archive_and_folders_give_the_same",
    ("cifar10", "kedro generate"): "cli/test_generate.py::test_the_best_candidate_is_kept",
    ("scale", ".*python benchmarks"): "test_benchmarks.py::test_imports_of_a_script_exist",
    ("speed", ".*python benchmarks"): "test_benchmarks.py::test_imports_of_a_script_exist",
    ("own-data", "kedro run .*captioner="): "test_docs.py::check_described_images",
    (
        "own-data",
        "kedro run .*sentence_encoder=",
    ): "pipelines/compression/test_pipeline.py::test_champion_draws_a_new_word_as_the_nearest_known_one",
    ("own-data", "pip"): "compression/test_nearest_words.py::test_a_new_word_gets_the_known_word",
    ("own-data", "python"): "compression/test_nearest_words.py::test_a_new_word_gets_the_known_word",
    ("reproduce", "dvc repro"): "repro/test_dvc_lineage.py::test_stages_of_one_repro_have_one_parent",
    ("reproduce", "git"): "repro/test_dvc_remotes.py::test_a_folder",
    ("reproduce", "cd"): "repro/test_dvc_remotes.py::test_a_folder",
    ("reproduce", "dvc exp run"): "repro/test_dvc_experiments.py::test_experiments_run_what_they_change",
    ("reproduce", "dvc checkout"): "repro/test_dvc_repro.py::test_changed_result_concerns_who_made_it",
    ("reproduce", "dvc queue"): "repro/test_dvc_experiments.py::test_experiments_run_what_they_change",
    ("reproduce", "dvc exp"): "repro/test_dvc_experiments.py::test_table_of_experiments",
    ("reproduce", "dvc metrics diff"): "repro/test_dvc_experiments.py::test_figures_of_two_revisions",
    ("reproduce", "dvc params diff"): "repro/test_dvc_experiments.py::test_figures_of_two_revisions",
    ("reproduce", "dvc plots diff"): "repro/test_dvc_experiments.py::test_pictures_of_two_revisions",
    ("reproduce", "dvc remote"): "repro/test_dvc_remotes.py::test_an_s3_compatible_server",
    ("reproduce", "dvc push"): "repro/test_dvc_remotes.py::test_an_s3_compatible_server",
    ("reproduce", "dvc pull"): "repro/test_dvc_remotes.py::test_an_s3_compatible_server",
    ("reproduce", "kedro reproduce"): "repro/test_rerun.py::test_stages_give_the_same_bytes_again",
    ("browse", "kedro run"): "test_smoke.py::test_every_output_is_there",
    ("browse", "make"): "tracking/test_mlflow_ui.py::test_pictures_of_two_runs_stand_side_by_side",
    ("browse", "LEXIPIX_SCREENSHOTS"): "tracking/test_mlflow_ui.py::test_the_list_of_runs_shows_the_figures",
    ("browse", "pip"): "datasets/test_previews.py::test_",
    ("browse", "kedro viz"): "datasets/test_previews.py::test_",
    ("play", "make"): "play/test_draw_tab.py::test_pictures_appear_while_the_prompt_is_typed",
    ("play", "kedro play"): "play/test_draw_tab.py::test_pictures_appear_while_the_prompt_is_typed",
    ("play", "kedro export-page"): "play/test_static_page.py::test_scenes_have_the_pixels_of_python",
    ("play", "python -m http"): "play/test_static_page.py::test_scenes_have_the_pixels_of_python",
    ("play", "pip"): "play/test_draw_tab.py::test_pictures_appear_while_the_prompt_is_typed",
    ("play", "python"): "play/test_draw_tab.py::test_pictures_appear_while_the_prompt_is_typed",
    ("play", "LEXIPIX"): "play/test_page.py::test_sixteen_sessions_at_once",
    (
        "restoration",
        "kedro restore .*--(text|noise)",
    ): "cli/test_restore.py::test_the_hole_is_filled_from_the_text",
    ("restoration", "pip"): "test_benchmark_uses.py::test_opencv_fills_holes_and_removes_noise",
    ("restoration", "python benchmarks"): "test_benchmark_uses.py::test_every_method_restores_every_damage",
    ("serve", "make"): "serving/test_serving.py::test_the_same_seed_gives_the_bytes_of_kedro_generate",
    ("serve", "curl"): "serving/test_serving.py::test_prompts_are_answered_in_order_each_with_its_warning",
    ("serve", "echo"): "serving/test_serving.py::test_captions_are_those_of_kedro_caption",
    ("serve", "python"): "tracking/test_registry.py::test_run_that_evaluates_registers_both_models",
    ("serve", "mlflow"): "test_packaging.py::test_what_is_installed_is_pinned_and_without_torch",
    ("serve", "docker"): "test_packaging.py::test_its_command_serves_the_model",
    ("scale", "pip"): "engines/test_dataset.py::test_ray_without_the_extra_is_one_sentence",
    ("scale", "make"): "cluster/test_smoke.py::test_a_whole_run_on_two_workers",
    ("scale", "kedro run"): "cluster/test_smoke.py::test_a_whole_run_on_two_workers",
    ("share", "pip"): "tracking/test_shared_server.py::test_run_and_its_artifacts_are_there",
    ("share", "export"): "tracking/test_shared_server.py::test_run_and_its_artifacts_are_there",
    ("share", "mlflow"): "tracking/test_shared_server.py::test_models_are_registered_there_and_can_be_used",
    ("share", "kedro run"): "tracking/test_shared_server.py::test_run_and_its_artifacts_are_there",
    ("share", "make"): "tracking/test_shared_server.py::test_models_are_registered_there_and_can_be_used",
}
# The whole chain on a folder: short trainings, at 64x64, with the captioner of another environment, and a
# pretrained language model in every stage, down to the exported models that draw without torch
SHORT = ",".join(
    f"{training}.training.num_images={images}"
    for training, images in {
        "features": 256, "captioner": 256, "generator.vae": 128, "generator.prior": 128, "generator.gan": 128,
        "evaluation.evaluator": 256,
    }.items()
)  # fmt: skip
OTHER = (
    "ingestion.image_size=64,"
    "ingestion.captioner=data/smoke/06_models/onnx/captioner,"
    "features.tokenizer=models/gpt2,captioner.language_model.source=pretrained,"
    "captioner.language_model.path=models/gpt2"
)
LONG = {"kedro run --env folder --params=ingestion.source.path=my-pictures": f",{SHORT},{OTHER}"}
N_IMAGES, CAPTIONED_EVERY = 140, 10
PAGES = (
    "README", "CONTRIBUTING", "run", "own-data", "cifar10", "generate", "play", "serve", "reproduce",
    "browse", "share", "restoration", "scale", "speed", "reliability",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A line that starts with ``$``, and the output lines below it."""

    line: str
    output: tuple[str, ...]


def file_of(page):
    return REPOSITORY / ("" if page.isupper() else "docs") / f"{page}.md"


def commands(page):
    text = file_of(page).read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            line, *output = part.rstrip("\n").split("\n")
            found.append(Command(line.split("  #")[0].strip(), tuple(text for text in output if text)))
    return found


def use_templates_of(page, file):
    """Add the page's example of parameters to a file."""
    text = file_of(page).read_text(encoding="utf-8")
    example = next(
        text for text in re.findall(r"```yaml\n(.*?)```", text, re.S) if "caption_templates" in text
    )
    parameters = yaml.safe_load(file.read_text(encoding="utf-8"))
    folder = yaml.safe_load(example)["ingestion"]["source"]["folder"]
    parameters["ingestion"]["source"]["folder"] = folder
    file.write_text(yaml.safe_dump(parameters), encoding="utf-8")


def covering_test(page, line):
    """The test that covers a command; None if it is executed here."""
    tests = COVERED_ELSEWHERE.items()
    return next((test for (own, pattern), test in tests if own == page and re.match(pattern, line)), None)


@pytest.fixture
def project(smoke, tmp_path):
    """A finished project with a folder of images and a file of prompts."""
    path = tmp_path / "project"
    shutil.copytree(smoke.path, path, ignore=shutil.ignore_patterns("mlartifacts", "__pycache__"))
    (path / "prompts.txt").write_text(
        "a small red star on white\na big blue circle on navy\n", encoding="utf-8"
    )
    draw = np.random.default_rng(3)
    (path / "my-pictures").mkdir()
    rows = []
    for number in range(N_IMAGES):
        color = draw.integers(0, 255, 3)
        pixels = np.full((40, 40, 3), color, np.uint8)
        pixels[8:24, 8:24] = draw.integers(0, 255, 3)
        Image.fromarray(pixels).save(path / "my-pictures" / f"{number}.png")
        row = {"file_name": f"{number}.png"}
        if number % CAPTIONED_EVERY == 0:  # a captioner describes the others
            style = ("noto", "twemoji", "fluent3d")[number // CAPTIONED_EVERY % 3]
            row |= {"text": "red heart", "text_zh": "红心", "style": style}
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    (path / "my-pictures" / "metadata.jsonl").write_text("".join(rows), encoding="utf-8")
    return path


@pytest.mark.parametrize("page", PAGES)
def test_every_command_of_a_page_works(page, project):
    environment = environment_without_settings()
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment |= {"KEDRO_ENV": "smoke", "LEXIPIX_MLFLOW": "0"}
    found = commands(page)
    assert found
    if page.isupper():
        (project / ".venv").symlink_to(sys.prefix)
    if page == "own-data":
        make_folder_environment_small(project)
        save_language_model(project / "models" / "gpt2", positions=200)
        use_templates_of(page, project / "conf" / "folder" / "parameters_ingestion.yml")
    for command in found:
        if test := covering_test(page, command.line):
            file, _, name = test.partition("::")
            assert f"def {name}" in (REPOSITORY / "tests" / file).read_text(encoding="utf-8"), test
            continue
        if command.line.startswith("make "):
            check_target(command.line)
            continue
        line = command.line + LONG.get(command.line, "")
        result = subprocess.run(
            ["bash", "-c", line], cwd=project, env=environment, capture_output=True, text=True, check=False
        )
        output = result.stdout + result.stderr
        shown = " ".join(output.replace(str(project), "/home/you/lexipix").split())
        fails = any(text.startswith(("Error", "error")) for text in command.output)
        assert (result.returncode != 0) == fails, f"{line}\n{shown[-3000:]}"
        for text in command.output:
            assert " ".join(text.split()) in shown, line
        if line.endswith(OTHER):
            check_described_images(project / "data" / "folder")


def check_target(line):
    """Check that make knows the target, and would run what it says."""
    words = shlex.split(line)
    result = subprocess.run(
        [words[0], "--dry-run", *words[1:]], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    given = [word.removeprefix("ARGS=") for word in words if word.startswith("ARGS=")]
    assert result.returncode == 0 and all(text in result.stdout for text in given), result.stderr


def check_described_images(data):
    """Check a whole run at 64x64 in which the captioner of another environment wrote most captions."""
    n_given = -(-N_IMAGES // CAPTIONED_EVERY)
    summary = json.loads((data / "03_primary" / "summary.json").read_text())
    assert (summary["described"], summary["uncaptioned"]) == (N_IMAGES - n_given, 0)
    table = pd.read_parquet(data / "03_primary" / "images" / "train" / "captions.parquet")
    assert "generated" in set(table["caption_source"]) and table["caption"].str.len().min() > 0
    metrics = json.loads((data / "08_reporting" / "metrics.json").read_text())
    assert metrics["data"]["image_size"] == 64
    assert {"vae", "gan", "champion"} == set(metrics["text"])


def pages():
    """Every Markdown page of the repository, as id and path."""
    found = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    return [pytest.param(path, id=str(path.relative_to(REPOSITORY))) for path in sorted(found)]


def anchors(page):
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"(?m)^#+ (.+)$", page.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked), target


@pytest.mark.parametrize(
    "page",
    [
        "docs/architecture.md",
        "CONTRIBUTING.md",
        *(f"docs/how-it-works/{page.name}" for page in sorted((REPOSITORY / "docs/how-it-works").iterdir())),
    ],
)
def test_files_that_a_page_names_exist(page):
    text = (REPOSITORY / page).read_text(encoding="utf-8")
    text = re.sub(r"(?m)^\d+\. .*(flow|video).*$", "", text)  # files of the examples in CONTRIBUTING.md
    for name in set(re.findall(r"`((?:[\w-]+/)+[\w-]+\.(?:py|yml))`", text)):
        places = [REPOSITORY / name, REPOSITORY / "src" / "lexipix" / name]
        assert any(place.exists() for place in places), name


def test_every_page_with_commands_is_read():
    with_commands = {
        page.id for page in pages() if "```console" in page.values[0].read_text(encoding="utf-8")
    }
    assert with_commands == {str(file_of(page).relative_to(REPOSITORY)) for page in PAGES}


def test_hooks_before_a_commit_run_what_make_lint_runs():
    hooks = yaml.safe_load((REPOSITORY / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    entries = [hook["entry"] for repo in hooks["repos"] for hook in repo["hooks"]]
    lint = subprocess.run(
        ["make", "--dry-run", "lint"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert entries
    for entry in entries:
        assert entry.replace(" --fix", "") in lint, entry


def test_every_picture_of_the_docs_is_shown():
    text = "".join(page.values[0].read_text(encoding="utf-8") for page in pages())
    for image in (REPOSITORY / "docs" / "images").iterdir():
        assert f"images/{image.name}" in text, image.name

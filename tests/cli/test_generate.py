import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.support.pickling_engine import PicklingEngine

from lexipix.cli import drawing_parts
from lexipix.cli.caption import caption
from lexipix.cli.generate import generate
from lexipix.cli.redraw import redraw
from lexipix.cli.restore import restore
from lexipix.datasets.onnx_models import OnnxModelDataset
from lexipix.engines.base import row_parts
from lexipix.engines.dataset import EngineDataset

TEXT = "a big red circle at the left on white"


@pytest.fixture
def run(project):
    def go(command, *arguments):
        result = CliRunner().invoke(command, [str(one) for one in arguments], obj=project)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result

    return go


@pytest.fixture
def told(run):
    """Runs what must fail; gives the sentence."""

    def go(command, *arguments):
        result = run(command, *arguments)
        assert result.exit_code != 0
        assert "Traceback" not in result.output
        return " ".join(result.output.split())

    return go


def rows(folder):
    return [
        json.loads(line) for line in (folder / "generated.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_generate_writes_images_a_sheet_and_a_list(run, project):
    result = run(generate, TEXT, "-n", 3)
    assert result.exit_code == 0, result.output
    folder = project.project_path / "data" / "07_model_output" / "generated"
    assert (
        result.output
        == "3 images by the gan: data/07_model_output/generated (sheet.png shows them enlarged)\n"
    )
    assert sorted(file.name for file in folder.iterdir()) == [
        "0000.png", "0001.png", "0002.png", "generated.jsonl", "sheet.png",
    ]  # fmt: skip
    assert Image.open(folder / "0000.png").size == (16, 16)
    (first, *_) = rows(folder)
    assert first.keys() == {
        "file", "prompt", "seed", "index", "model", "score", "candidates", "candidate",
    }  # fmt: skip
    assert (first["file"], first["prompt"], first["seed"], first["model"]) == ("0000.png", TEXT, 7, "gan")
    assert -1 <= first["score"] <= 1


def test_same_seed_same_bytes_and_more_images_keep_the_first(run, tmp_path):
    for name, n, seed in (("a", 2, 3), ("b", 2, 3), ("c", 4, 3), ("d", 2, 4)):
        assert run(generate, TEXT, "-n", n, "--seed", seed, "--out", tmp_path / name).exit_code == 0
    read = {name: {f.name: f.read_bytes() for f in (tmp_path / name).iterdir()} for name in "abcd"}
    assert read["a"] == read["b"]
    assert all(read["a"][name] == read["c"][name] for name in ("0000.png", "0001.png"))
    assert read["a"]["0000.png"] != read["d"]["0000.png"]


def test_model_and_environment_are_chosen(run, project, tmp_path, toys):
    OnnxModelDataset(filepath=str(project.project_path / "data/smoke/06_models/onnx/vae")).save(
        toys["onnx_vae"]
    )
    OnnxModelDataset(filepath=str(project.project_path / "data/smoke/06_models/onnx/scorer")).save(
        toys["onnx_scorer"]
    )
    for arguments in (["--model", "vae"], ["--env", "smoke", "--model", "vae"]):
        result = run(generate, TEXT, "-n", 1, *arguments, "--out", tmp_path / "out")
        assert "1 image by the vae" in result.output
        assert rows(tmp_path / "out")[0]["model"] == "vae"
    assert run(generate, TEXT, "--env", "smoke", "--model", "vae").exit_code == 0
    assert (project.project_path / "data/smoke/07_model_output/generated/0003.png").is_file()


def test_the_best_candidate_is_kept_and_listed(run, tmp_path):
    for name, options in (("one", ()), ("six", ("--candidates", 6)), ("again", ("--candidates", 6))):
        result = run(generate, TEXT, "-n", 3, *options, "--out", tmp_path / name)
        assert result.exit_code == 0, result.output
    assert "3 images by the gan, each the best of 6:" in result.output
    one, six = rows(tmp_path / "one"), rows(tmp_path / "six")
    assert all(row["candidates"] == 1 and row["candidate"] == 0 for row in one)
    assert all(row["candidates"] == 6 and 0 <= row["candidate"] < 6 for row in six)
    assert all(best["score"] >= first["score"] for best, first in zip(six, one, strict=True))
    assert any(row["candidate"] for row in six)
    for file in (tmp_path / "six").iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def test_candidates_are_drawn_until_an_image_is_good_enough(run, tmp_path):
    for name, until in (("low", "score=-1"), ("high", "score=0.99")):
        arguments = (TEXT, "-n", 2, "--candidates", 5, "--until", until, "--out", tmp_path / name)
        assert run(generate, *arguments).exit_code == 0
    assert [row["candidates"] for row in rows(tmp_path / "low")] == [1, 1]
    assert [row["candidates"] for row in rows(tmp_path / "high")] == [5, 5]


def test_prompts_from_a_file(run, tmp_path):
    (tmp_path / "prompts.txt").write_text(f"{TEXT}\n\na small blue star at the top on black\n")
    result = run(generate, "--prompts", tmp_path / "prompts.txt", "-n", 2, "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert [row["prompt"] for row in rows(tmp_path / "out")] == [TEXT] * 2 + [
        "a small blue star at the top on black"
    ] * 2


def test_many_images_go_into_one_archive(run, tmp_path):
    for out in ("out", "out.tar"):
        result = run(generate, TEXT, "-n", 3, "--out", tmp_path / out)
        assert result.exit_code == 0 and "out" in result.output
    with tarfile.open(tmp_path / "out.tar") as archive:
        assert archive.getnames() == ["0000.png", "0001.png", "0002.png", "sheet.png", "generated.jsonl"]
        for name in archive.getnames():
            assert archive.extractfile(name).read() == (tmp_path / "out" / name).read_bytes()


def test_some_unknown_words_are_a_warning_and_drawing_goes_on(run, tmp_path):
    result = run(generate, "a big red dragon at the left on white", "--out", tmp_path / "out")
    assert result.exit_code == 0
    assert 'Warning: The model never saw "dragon"' in result.stderr
    assert "4 images" in result.stdout


def test_a_flood_of_warnings_is_dammed(run, tmp_path):
    (tmp_path / "prompts.txt").write_text("a red dragon\n" * 9)
    result = run(generate, "--prompts", tmp_path / "prompts.txt", "-n", 1, "--out", tmp_path / "out")
    assert result.stderr.count("never saw") == 5 and "4 more" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], 'Name what to draw: kedro generate "…" or kedro generate --prompts FILE.'),
        ([TEXT, "--prompts", "empty.txt"], "Name what to draw"),
        ([""], "Error: The prompt is empty: name what to draw"),
        (
            ["red " * 40],
            "is too long: it has 40 tokens (words and parts of words), the model reads at most 23",
        ),
        (["dragon"], 'The model never saw any word of "dragon" in training'),
        (
            [TEXT, "--env", "nope"],
            "There is no environment 'nope': choose from base, cifar10, folder, smoke.",
        ),
        ([TEXT, "--env", "smoke"], "There is no model champion at"),
        ([TEXT, "--env", "smoke"], "run `kedro run --env smoke` first."),
        ([TEXT, "--env", "smoke", "--model", "gan"], "There is no model gan at"),
        ([TEXT, "-n", "0"], "Invalid value for '-n': 0 is not in the range x>=1."),
        ([TEXT, "-n", "1000001"], "are 1,000,001 images, more than generation.max_images = 1,000,000"),
        ([TEXT, "-n", "many"], "'many' is not a valid integer"),
        ([TEXT, "--candidates", "0"], "0 is not in the range 1<=x<=1024"),
        (
            [TEXT, "--candidates", "4", "--no-score"],
            "Choosing the best of 4 candidates needs their scores: remove --no-score",
        ),
        ([TEXT, "--candidates", "4", "--until", "ssim=0.6"], "The target ssim=0.6 needs an image"),
        (
            [TEXT, "--until", "score=0.9"],
            "--until score=0.9 ends the search among candidates, and only one is drawn",
        ),
        ([TEXT, "--candidates", "4", "--until", "0.9"], "The target '0.9' is unknown"),
        ([TEXT, "--seed", "-1"], "-1 is not in the range 0<=x<=2147483647"),
        ([TEXT, "--model", "diffusion"], "'diffusion' is not one of 'champion', 'vae', 'gan', 'tokens'"),
        ([TEXT, "--model", "words"], "words is now called tokens: write --model tokens."),
        ([TEXT, "--budget", "fast"], "--budget is now called --quality: write --quality fast."),
        ([TEXT, "--quality", "huge"], "'huge' is not one of 'fast', 'balanced', 'best'"),
        (["--prompts", "missing.txt"], "Invalid value for '--prompts': File 'missing.txt' does not exist."),
        (["--prompts", "data"], "Invalid value for '--prompts': File 'data' is a directory."),
        (["--prompts", "empty.txt"], "The file of prompts empty.txt is empty"),
        (["--prompts", "latin.txt"], "latin.txt is not UTF-8 text (line 1): save it as UTF-8."),
        (["--prompts", "many.txt"], "There are 100,001 prompts, more than generation.max_prompts = 100,000"),
        (["--prompts", "wrong.txt"], "wrong.txt, line 2: The model never saw any word"),
        (
            ["--prompts", "several.txt", "-n", "600000"],
            "are 1,200,000 images, more than generation.max_images",
        ),
        ([TEXT, "--out", "several.txt"], "several.txt is a file, not a folder: choose another folder"),
    ],
)
def test_mistakes_of_generate(told, project, arguments, sentence):
    Path("empty.txt").write_text("")
    Path("latin.txt").write_bytes(b"caf\xe9")
    Path("many.txt").write_text("a red circle\n" * 100_001)
    Path("wrong.txt").write_text(f"{TEXT}\ndragon\n")
    Path("several.txt").write_text(f"{TEXT}\n{TEXT}\n")
    assert sentence in told(generate, *arguments)
    assert not (project.project_path / "data/07_model_output").exists()


def test_a_damaged_model_is_named(told, project):
    (project.project_path / "data/06_models/champion/onnx_fp32/draw.onnx").unlink()
    assert "lacks draw.onnx" in told(generate, TEXT)
    for name in ("draw", "read"):
        (project.project_path / f"data/06_models/onnx/gan/{name}.onnx").unlink()
    said = told(generate, TEXT, "--model", "gan")
    assert "is incomplete, *.onnx missing: run `kedro run --env base` again." in said


def test_quality_chooses_the_variant_and_reports_it(run, project):
    result = run(generate, TEXT, "-n", "1", "--quality", "fast")
    assert result.exit_code == 0 and "1 image by the gan small_onnx_fp32" in result.output
    result = run(generate, TEXT, "-n", "1", "--quality", "best", "--no-score")
    assert "1 image by the gan:" in result.output
    rows = (project.project_path / "data/07_model_output/generated/generated.jsonl").read_text()
    assert json.loads(rows)["score"] is None


def test_caption_prints_a_line_for_each_image(run, project, said):
    Image.new("RGB", (90, 70), (0, 200, 0)).save("green.jpg")
    result = run(caption, "star.png", "green.jpg")
    assert result.exit_code == 0
    assert result.output == f"star.png: {said}\ngreen.jpg: {said}\n"


def test_caption_continues_after_a_file_that_is_no_image(run, project, said):
    Path("words.txt").write_text("a red circle")
    result = run(caption, "words.txt", "no.png", "star.png")
    assert result.exit_code == 1
    assert result.stdout == f"star.png: {said}\n"
    assert "words.txt cannot be used as an image: not an image in a known format." in result.stderr
    assert "no.png cannot be used as an image: the file does not exist." in result.stderr
    assert "2 of 3 files could not be captioned." in result.stderr


def test_mistakes_of_caption(told):
    no_picture = "no.png cannot be used as an image: the file does not exist."
    assert told(caption, "no.png") == f"Error: {no_picture}"
    assert "Missing argument 'IMAGE…'" in told(caption)
    assert "There is no model captioner_champion at" in told(caption, "star.png", "--env", "smoke")


def test_redraw_describes_draws_and_keeps_the_trail(run, project, said):
    result = run(redraw, "star.png", "--budget", 6)
    assert result.exit_code == 0, result.output
    folder = project.project_path / "data/07_model_output/redrawn/star"
    trail = json.loads((folder / "trail.json").read_text())
    assert [one["model"] for one in trail["attempts"]] == ["gan"] * 4 + ["vae"] * 2
    assert trail["attempts"][0]["text"] == said and trail["text_source"] == "captioner"
    assert Image.open(folder / "best.png").size == (16, 16) and (folder / "sheet.png").is_file()
    assert result.output.startswith(f'"{said}" (captioner)\n    1  gan: score ')
    assert result.output.count("best\n") == 1
    assert result.output.splitlines()[-1].startswith(
        "The best of 6 images: data/07_model_output/redrawn/star/best.png"
    )


def test_redraw_until_a_target(run):
    result = run(redraw, "star.png", "--until", "psnr=1", "--text", TEXT)
    assert "psnr=1 was reached with 1 of 8 images." in result.output
    assert f'"{TEXT}" (given)' in result.output
    result = run(redraw, "star.png", "--until", "ssim=0.999", "--budget", 3)
    assert result.exit_code == 0 and "ssim=0.999 was not reached with 3 of 3 images." in result.output


def test_redraw_uses_the_text_beside_the_image(run):
    Path("star.txt").write_text("a small blue star at the top on black\n")
    result = run(redraw, "star.png", "--budget", 1)
    assert '"a small blue star at the top on black" (star.txt)' in result.output


def test_redraw_twice_gives_the_same_bytes(run, tmp_path):
    for name in ("a", "b"):
        run(redraw, "star.png", "--out", tmp_path / name)
    read = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("a", "b")]
    assert read[0] == read[1]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["words.txt"], "words.txt cannot be used as an image: not an image in a known format."),
        (["no.png"], "no.png cannot be used as an image: the file does not exist."),
        (["star.png", "--until", "mse=3"], "write ssim=0.6, psnr=20 or score=0.8."),
        (["star.png", "--until", "ssim=7"], "The target ssim=7 is out of range: ssim lies between -1 and 1."),
        (["star.png", "--budget", "0"], "0 is not in the range 1<=x<=10000"),
        (["star.png", "--text", " "], "The prompt is empty"),
        (["star.png", "--text", "dragon"], "never saw any word"),
        (["star.png", "--env", "smoke"], "run `kedro run --env smoke` first."),
        (["star.png", "--refine", "2"], "--refine is now called --optimize-steps: write --optimize-steps 2."),
        (["star.png", "--fit", "noise"], "--fit is now called --optimize: write --optimize noise."),
        (["star.png", "--start", "best"], "--start is now called --init: write --init best."),
        (["star.png", "--optimize-steps", "1001"], "1001 is not in the range 0<=x<=1000"),
        (["star.png", "--optimize-steps", "2"], "There is no trained gan at"),
        (["star.png", "--optimize-steps", "2", "--init", "picture"], "There is no trained vae at"),
        (
            ["star.png", "--optimize-steps", "2", "--init", "picture", "--optimize", "noise"],
            "The encoder gives a latent",
        ),
    ],
)
def test_mistakes_of_redraw(told, arguments, sentence):
    Path("words.txt").write_text("a red circle")
    assert sentence in told(redraw, *arguments)


def test_help_has_examples(run):
    for command in (generate, caption, redraw, restore):
        output = run(command, "--help").output
        assert "Examples:\n" in output and f"  kedro {command.name} " in output


def test_the_first_image_needs_no_heavy_import(project):
    """The first image comes within three seconds because nothing slow is imported."""
    commands = [["generate", TEXT, "-n", "1", "--candidates", "4"], ["caption", "star.png"]]
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from types import SimpleNamespace\n"
        "from lexipix.cli import cli\n"
        "for arguments in json.loads(sys.argv[1]):\n"
        "    cli(arguments, obj=SimpleNamespace(project_path=Path.cwd()), standalone_mode=False)\n"
        "heavy = {'torch', 'transformers', 'mlflow', 'pandas', 'skimage', 'scipy', 'onnx'}\n"
        "print(sorted(heavy & sys.modules.keys()))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, json.dumps([*commands, ["redraw", "star.png"]])],
        capture_output=True, text=True, env=os.environ, check=True,
    )  # fmt: skip
    assert (project.project_path / "data/07_model_output/redrawn/star/best.png").is_file()
    assert answer.stdout.splitlines()[-1] == "[]"


def test_numpy_is_enough_to_read_what_was_written(run, tmp_path):
    run(generate, TEXT, "-n", 1, "--out", tmp_path)
    assert np.asarray(Image.open(tmp_path / "0000.png")).shape == (16, 16, 3)


class KeyedEngine(PicklingEngine):
    """Notes the keys under which parts are kept."""

    def __init__(self):
        self.keys = []

    def contents(self, key, function, parts, *arguments):
        self.keys.append(key())
        return super().contents(key, function, parts, *arguments)


def test_parts_are_kept_for_the_same_prompts_options_and_model(run, project, tmp_path, monkeypatch):
    """An interrupted drawing goes on, and another one does not take its parts."""
    prompts, engine = tmp_path / "prompts.txt", KeyedEngine()
    prompts.write_text(f"{TEXT}\n" * 3, encoding="utf-8")
    (project.project_path / "conf/local/parameters_engine.yml").write_text("engine: {kind: ray}\n", "utf-8")
    monkeypatch.setattr(drawing_parts, "row_parts", lambda n: row_parts(n, 4))
    monkeypatch.setattr(drawing_parts, "choose_engine", lambda parameters: None)
    monkeypatch.setattr(EngineDataset, "load", lambda self: engine)
    draw = ("--prompts", prompts, "-n", 3, "--out", tmp_path / "out")
    for more in ((), (), ("--seed", 8), ("--model", "gan")):
        assert run(generate, *draw, *more).exit_code == 0
    prompts.write_text(f"{TEXT}\n" * 4, encoding="utf-8")
    assert run(generate, *draw).exit_code == 0
    config = next((project.project_path / "data/06_models/champion").rglob("config.json"))
    config.write_text(config.read_text() + "\n")
    assert run(generate, *draw).exit_code == 0
    first, again, *others = engine.keys
    assert first == again and len({first, *others}) == 5
    assert all(re.fullmatch("generated/[0-9a-f]{32}", key) for key in engine.keys)


def test_a_long_list_is_drawn_in_parts_with_the_same_bytes(run, project, tmp_path, monkeypatch):
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"{TEXT}\na small blue ring at the top on black\n{TEXT}\n", encoding="utf-8")
    draw = ("--prompts", prompts, "-n", 3, "--candidates", 2, "--out")
    assert run(generate, *draw, tmp_path / "whole").exit_code == 0
    (project.project_path / "conf/local/parameters_engine.yml").write_text("engine: {kind: ray}\n", "utf-8")
    monkeypatch.setattr(drawing_parts, "row_parts", lambda n: row_parts(n, 4))
    monkeypatch.setattr(drawing_parts, "choose_engine", lambda parameters: None)
    monkeypatch.setattr(EngineDataset, "load", lambda self: PicklingEngine())
    assert run(generate, *draw, tmp_path / "parts").exit_code == 0
    for file in (tmp_path / "whole").iterdir():
        assert file.read_bytes() == (tmp_path / "parts" / file.name).read_bytes(), file.name

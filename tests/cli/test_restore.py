import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from tests.support.latent_models import SIZE, latent_models

from lexipix.cli.restore import restore
from lexipix.datasets.models import ModelFolderDataset

TEXT = "a big red circle at the left on white"
FOLDER = "data/07_model_output/restored/star"


@pytest.fixture
def restorable(project):
    """A project with the networks that a restoration needs, and a mask."""
    for name in ("vae", "prior"):
        path = project.project_path / "data/06_models" / name
        ModelFolderDataset(filepath=str(path)).save(latent_models()[name])
    save_mask("mask.png", (4, 5, 9, 11))
    return project


@pytest.fixture
def run(restorable):
    def go(*arguments):
        result = CliRunner().invoke(restore, [str(one) for one in arguments], obj=restorable)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        assert "Traceback" not in result.output
        return result

    return go


def save_mask(name, box, size=SIZE):
    mask = Image.new("L", (size, size))
    mask.paste(255, box)
    mask.save(name)


def read(path):
    return np.asarray(Image.open(path))


def test_a_hole_is_filled_and_the_rest_stays_bit_by_bit(run, said):
    result = run("star.png", "--mask", "mask.png", "--steps", 20)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == f'"{said}" (captioner)'
    assert lines[1].startswith("Filled 30 of 256 pixels in 20 steps (")
    assert lines[2] == f"The restored image: {FOLDER}/restored.png (beside it sheet.png and restoration.json)"
    given, restored, hole = read("star.png"), read(f"{FOLDER}/restored.png"), read("mask.png") > 0
    assert np.array_equal(restored[~hole], given[~hole])
    assert (restored[hole] != given[hole]).any()
    trail = json.loads(Path(FOLDER, "restoration.json").read_text(encoding="utf-8"))
    assert trail["text_source"] == "captioner" and trail["steps"] == 20 and trail["filled_pixels"] == 30


def test_the_hole_is_filled_from_the_text(run, tmp_path):
    texts = {"given": TEXT, "other": "a small blue star at the top on black"}
    for name, text in texts.items():
        result = run("star.png", "--mask", "mask.png", "--text", text, "--steps", 5, "--out", tmp_path / name)
        assert f'"{text}" (given)' in result.output
    Path("star.txt").write_text(TEXT)
    result = run("star.png", "--mask", "mask.png", "--steps", 5, "--out", tmp_path / "beside")
    assert f'"{TEXT}" (star.txt)' in result.output
    given, other, beside = (read(tmp_path / name / "restored.png") for name in ("given", "other", "beside"))
    assert np.array_equal(given, beside) and not np.array_equal(given, other)


def test_noise_is_removed_with_and_without_a_mask(run):
    result = run("star.png", "--noise", 25, "--steps", 20)
    assert "Removed noise of 25 levels in 20 steps" in result.output
    assert (read(f"{FOLDER}/restored.png") != read("star.png")).mean() > 0.5
    result = run("star.png", "--noise", 25, "--mask", "mask.png", "--steps", 5)
    assert "Filled 30 of 256 pixels and removed noise of 25 levels" in result.output


def test_same_seed_same_bytes(run, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        run("star.png", "--mask", "mask.png", "--steps", 5, "--seed", seed, "--out", tmp_path / name)
    files = [{file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in "abc"]
    assert files[0] == files[1]
    assert files[0]["restored.png"] != files[2]["restored.png"]


def test_a_larger_picture_is_restored_at_the_models_size(run):
    Image.new("RGB", (100, 80), (0, 200, 0)).save("green.jpg")
    mask = Image.new("L", (100, 80))
    mask.paste(255, (40, 30, 60, 50))
    mask.save("hole.png")
    result = run("green.jpg", "--mask", "hole.png", "--text", TEXT, "--steps", 5)
    assert result.exit_code == 0, result.output
    assert read("data/07_model_output/restored/green/restored.png").shape == (SIZE, SIZE, 3)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["star.png"], "Nothing says what is wrong with star.png: name the hole (--mask FILE) or noise"),
        (["no.png", "--mask", "mask.png"], "no.png cannot be used as an image: the file does not exist."),
        (["no.png", "--noise", "9"], "no.png cannot be used as an image: the file does not exist."),
        (["star.png", "--mask", "no.png"], "no.png cannot be used as an image: the file does not exist."),
        (
            ["star.png", "--mask", "words.txt"],
            "words.txt cannot be used as an image: not an image in a",
        ),
        (["star.png", "--mask", "data"], "data is a folder: name an image in it."),
        (
            ["star.png", "--mask", "small.png"],
            "star.png cannot be restored with the mask small.png: image and mask have 16x16 and 8x8 pixels",
        ),
        (["star.png", "--mask", "black.png"], "The mask marks no pixel of the image as the model sees it"),
        (
            ["star.png", "--mask", "white.png"],
            "The mask marks the whole image, so that nothing of it is",
        ),
        (["star.png", "--noise", "0"], "0.0 is not in the range 0<x<=255"),
        (["star.png", "--noise", "9", "--steps", "1001"], "1001 is not in the range 0<=x<=1000"),
        (["star.png", "--noise", "9", "--text", " "], "The prompt is empty"),
        (["star.png", "--noise", "9", "--text", "dragon"], "never saw any word"),
        (["star.png", "--noise", "9", "--env", "smoke"], "run `kedro run --env smoke` first."),
    ],
)
def test_mistakes(run, arguments, sentence):
    Path("words.txt").write_text("a red circle")
    save_mask("small.png", (0, 0, 4, 4), 8)
    save_mask("black.png", (0, 0, 0, 0))
    save_mask("white.png", (0, 0, SIZE, SIZE))
    result = run(*arguments)
    assert result.exit_code != 0
    assert sentence in " ".join(result.output.split())
    assert not Path("data/07_model_output").exists()


def test_untrained_networks_are_named(run, restorable):
    (restorable.project_path / "data/06_models/vae/config.json").unlink()
    result = run("star.png", "--noise", "9", "--text", TEXT)
    assert result.exit_code != 0 and "vae" in result.output and "Traceback" not in result.output

"""``kedro export``: a folder that can be used and published as it is."""

import json
import shutil
import types

import numpy as np
import pytest
from click.testing import CliRunner
from huggingface_hub import ModelCard
from PIL import Image

from lexipix import TextToImagePipeline
from lexipix.cli.export import FORMATS, export
from lexipix.utils.errors import LexipixError

TEXT = "a big red circle at the left on white"


def run(project, *arguments):
    metadata = types.SimpleNamespace(project_path=project.path)
    result = CliRunner().invoke(export, ["--env", "smoke", *map(str, arguments)], obj=metadata)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


@pytest.fixture(scope="module")
def exported(smoke, tmp_path_factory):
    """An exported folder for each format."""
    place = tmp_path_factory.mktemp("exported")
    for form in FORMATS:
        result = run(smoke, "--format", form, "--out", place / form, "--license", "cc-by-4.0")
        assert result.exit_code == 0, result.output
    return {form: place / form for form in FORMATS}


def test_both_formats_draw_what_the_champion_draws(smoke, exported):
    champion = TextToImagePipeline.from_pretrained(smoke.path / "data/smoke/06_models/champion")
    for form, folder in exported.items():
        quality = {"onnx": "balanced", "safetensors": "best"}[form]
        expected = champion([TEXT, "a star"], num_images=3, seed=7, quality=quality)
        drawn = TextToImagePipeline.from_pretrained(folder)([TEXT, "a star"], num_images=3, seed=7)
        assert drawn.model == expected.model
        apart = np.abs(drawn.pixels.astype(int) - expected.pixels.astype(int)).max()
        assert apart <= {"onnx": 0, "safetensors": 1}[form]
        np.testing.assert_allclose(drawn.scores, expected.scores, atol=5e-3)


def test_networks_draw_the_same_bytes_alone_and_together(exported):
    pipe = TextToImagePipeline.from_pretrained(exported["safetensors"])
    together = pipe([TEXT, "a star"], num_images=3, seed=7).pixels
    alone = np.concatenate([pipe(text, num_images=3, seed=7).pixels for text in (TEXT, "a star")])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("form", FORMATS)
def test_a_folder_holds_models_samples_and_a_card_and_no_code(exported, form):
    folder = exported[form]
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"README.md", "config.json", "card.json", "samples/sheet.png", "samples/0015.png"} <= files
    assert {path.rpartition(".")[2] for path in files} <= {
        "md", "json", "jsonl", "png", "safetensors", "onnx"
    }  # fmt: skip
    assert ("generator/model.safetensors" in files) == (form == "safetensors")
    card = ModelCard.load(folder / "README.md")
    assert card.data.license == "cc-by-4.0" and form in card.data.tags
    assert {"PSNR (direct path)", "R-precision (text path)"} <= {
        result.metric_name for result in card.data.eval_results
    }
    assert "retrieved" not in card.data.tags and "training image of the nearest caption" in card.text
    assert Image.open(folder / "samples/0000.png").size == (32, 32)


def test_the_same_run_gives_the_same_bytes(smoke, exported, tmp_path):
    again = tmp_path / "onnx"
    assert run(smoke, "--out", again, "--license", "cc-by-4.0").exit_code == 0
    for path in sorted(exported["onnx"].rglob("*")):
        if path.is_file():
            other = again / path.relative_to(exported["onnx"])
            assert path.read_bytes() == other.read_bytes(), path.name


def test_an_existing_target_and_a_wrong_licence_are_one_sentence(smoke, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    result = run(smoke, "--out", tmp_path / "full")
    assert result.exit_code == 1 and "full exists already: choose another folder" in result.output
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine.txt"]
    result = run(smoke, "--out", tmp_path / "new", "--license", "My Licence")
    assert result.exit_code == 1 and "--license is 'My Licence': write an identifier" in result.output
    assert not (tmp_path / "new").exists()


def test_without_a_finished_run_it_names_the_command(smoke, tmp_path):
    result = CliRunner().invoke(
        export,
        ["--env", "folder", "--out", str(tmp_path / "new")],
        obj=types.SimpleNamespace(project_path=smoke.path),
    )
    assert result.exit_code == 1 and "run `kedro run --env folder`" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("generator/config.json", b'{"kind": "text_to_image", "network": {}}', "is damaged or from another"),
        ("generator/config.json", b'{"kind": "os", "network": {}}', "This model is a os"),
        ("generator/model.safetensors", b"x" * 100, "damaged"),
        ("scorer/config.json", b"[]", "damaged"),
        ("config.json", b'{"family": "gan"}', "qualities"),
    ],
)
def test_a_damaged_folder_of_networks_is_one_sentence(exported, tmp_path, file, content, said):
    folder = tmp_path / "model"
    shutil.copytree(exported["safetensors"], folder)
    (folder / file).write_bytes(content)
    with pytest.raises(LexipixError, match=said):
        TextToImagePipeline.from_pretrained(folder)(TEXT)


@pytest.mark.parametrize(("key", "value"), [("image_size", 16), ("max_tokens", 4096)])
def test_networks_that_do_not_fit_their_configuration_are_one_sentence(exported, tmp_path, key, value):
    folder = tmp_path / "model"
    shutil.copytree(exported["safetensors"], folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {key: value}))
    with pytest.raises(LexipixError, match="of an exported model cannot be used"):
        TextToImagePipeline.from_pretrained(folder)(TEXT if key == "image_size" else " ".join([TEXT] * 50))


def test_weights_of_gigabytes_are_refused_before_they_are_read(exported, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(exported["safetensors"], folder)
    with (folder / "generator/model.safetensors").open("r+b") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(LexipixError, match="has 3,221,225,472 bytes, more than the"):
        TextToImagePipeline.from_pretrained(folder)(TEXT)

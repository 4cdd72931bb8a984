"""``kedro export-page`` before a browser opens what it wrote; tests/play does."""

import shutil

import pytest
from click.testing import CliRunner
from tokenizers import pre_tokenizers

from lexipix.cli.export_page import export_page
from lexipix.inference.onnx_generator import OnnxGenerator
from lexipix.play.static_page import PageSettings, write_page
from lexipix.utils.errors import LexipixError


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Let a shell script be the npm that is found."""

    def npm(script):
        path = tmp_path / "npm"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda name: str(path))

    return npm


def run(project, *arguments):
    return CliRunner().invoke(export_page, [*map(str, arguments)], obj=project)


def test_without_npm_it_is_told_before_anything_is_loaded(project, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    answer = run(project, "--env", "cifar10", "--out", tmp_path / "page")
    assert answer.exit_code == 1
    assert "npm is not installed: install Node.js" in answer.output


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("echo no such registry >&2; exit 1", "(no such registry): check the connection"),
        ("echo other > onnxruntime-web.tgz", "the archive is not the one that lexipix was tested with"),
    ],
)
def test_what_npm_cannot_fetch_is_told_and_leaves_nothing(project, tmp_path, npm, script, sentence):
    npm(script)
    answer = run(project, "--out", tmp_path / "new" / "page")
    assert answer.exit_code == 1
    assert sentence in answer.output
    assert list((tmp_path / "new").iterdir()) == []


def test_an_environment_without_models_names_the_command_that_trains_them(project, tmp_path, npm):
    npm("exit 1")
    answer = run(project, "--env", "cifar10", "--out", tmp_path / "page")
    assert answer.exit_code == 1
    assert "run `kedro run --env cifar10" in answer.output


def test_an_existing_folder_stays(project, tmp_path):
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "mine.txt").write_text("mine")
    answer = run(project, "--out", tmp_path / "page")
    assert answer.exit_code == 1 and "page exists already: choose another folder" in answer.output
    assert [path.name for path in (tmp_path / "page").iterdir()] == ["mine.txt"]


def test_the_tokenizer_of_a_language_model_is_refused(toys, tmp_path):
    generator = OnnxGenerator(toys["onnx_gan"])
    generator.tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    with pytest.raises(LexipixError, match="tokenizer of a pretrained language model"):
        write_page(tmp_path, generator, [], PageSettings("gan", "a star", 7, 1000))
    assert list(tmp_path.iterdir()) == []

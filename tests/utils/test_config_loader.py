"""Mistakes in the configuration, each of which is a sentence with its file."""

import os
import tarfile

import pytest

from lexipix.settings import CONFIG_LOADER_ARGS, CONFIG_LOADER_CLASS
from lexipix.utils.errors import LexipixError

FILES = {
    "base/globals.yml": "data_root: data\n",
    "base/parameters.yml": "run:\n  seed: 1\n  place: ${globals:data_root}/x\n",
    "base/catalog.yml": "images: {type: MemoryDataset}\n",
    "local/.gitkeep": "",
}


@pytest.fixture
def conf(tmp_path):
    for name, content in FILES.items():
        path = tmp_path / "conf" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path / "conf"


def load(conf, key="parameters", **options):
    return CONFIG_LOADER_CLASS(str(conf), **CONFIG_LOADER_ARGS, **options)[key]


def test_a_configuration_without_mistakes_is_kedros(conf):
    assert load(conf) == {"run": {"seed": 1, "place": "data/x"}}
    (conf / "local" / "parameters.yml").write_text("run: {seed: 2}")
    assert load(conf, runtime_params={"run": {"place": "y"}}) == {"run": {"seed": 2, "place": "y"}}
    assert load(conf, "catalog") == {"images": {"type": "MemoryDataset"}}


@pytest.mark.parametrize("key", ["parameters", "catalog", "globals"])
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a:\n  b: [\n", ", line 3 is not valid YAML"),
        (b"a: 1\nb: *c\n", ", line 2 is not valid YAML (found undefined alias"),
        (b"a: 1\na: 2\n", ", line 2 is not valid YAML (found duplicate key a)"),
        (b"a: !!python/object:os.system {}\n", ", line 1 is not valid YAML (could not determine"),
        (b"a: caf\xe9\n", " is not encoded in UTF-8 (byte 6)"),
        (b"a: \x00\n", " is not valid ("),
        (b"- a\n", " holds a list: write keys with values"),
        (b"3\n", " is not valid (Invalid loaded object type"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_read_is_named(conf, key, content, told):
    wrong = conf / "local" / f"{key}.yml"
    wrong.write_bytes(content)
    with pytest.raises(LexipixError) as caught:
        load(conf, key)
    assert f"{wrong}{told}" in str(caught.value)


def test_a_copy_that_sets_the_same_keys_is_named_beside_the_file(conf):
    copy = conf / "base" / "parameters (copy).yml"
    copy.write_text(FILES["base/parameters.yml"])
    with pytest.raises(LexipixError, match=r"Duplicate keys found .*run\.seed\. Set each key in one") as told:
        load(conf)
    assert str(copy) in str(told.value) and str(conf / "base" / "parameters.yml") in str(told.value)


@pytest.mark.parametrize(
    ("value", "key", "line"),
    [
        ("${globals:nothing}", "run.other", 3),
        ("${nowhere.at.all}", "run.other", 3),
        ("[1, '${globals:nothing}']", "run.other[1]", 3),
        ("${no_resolver:x}", "run.other", 3),
    ],
)
def test_a_reference_that_leads_nowhere_is_told_with_its_line(conf, value, key, line):
    wrong = conf / "local" / "parameters.yml"
    wrong.write_text(f"run:\n  seed: 2\n  other: {value}\n")
    with pytest.raises(LexipixError) as caught:
        load(conf)
    assert f"{wrong}, line {line}: {key} cannot be resolved (" in str(caught.value)


def test_references_in_a_circle_are_a_sentence(conf):
    (conf / "local" / "parameters.yml").write_text("a: ${b}\nb: ${a}\n")
    with pytest.raises(LexipixError, match="cannot be re"):
        load(conf)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_told(conf):
    (conf / "base" / "parameters.yml").chmod(0)
    with pytest.raises(LexipixError, match=r"parameters\.yml cannot be read \(permission denied\)"):
        load(conf)


def test_what_is_missing_is_named(conf, tmp_path):
    with pytest.raises(LexipixError, match="/nothing/base does not exist"):
        load(tmp_path / "nothing")
    with pytest.raises(LexipixError, match=r"/conf/nope does not exist: create it .* with --env"):
        load(conf, env="nope")
    (conf / "base" / "parameters.yml").unlink()
    with pytest.raises(LexipixError, match=r"There is no file of parameters in .*/base or .*/local"):
        load(conf)


def test_an_archive_is_read_and_a_damaged_one_is_a_sentence(conf, tmp_path):
    with tarfile.open(tmp_path / "conf.tar.gz", "w:gz") as archive:
        archive.add(conf, "conf")
    assert load(tmp_path / "conf.tar.gz")["run"]["seed"] == 1
    (tmp_path / "cut.tar.gz").write_bytes((tmp_path / "conf.tar.gz").read_bytes()[:30])
    with pytest.raises(LexipixError, match=r"cut\.tar\.gz cannot be read"):
        load(tmp_path / "cut.tar.gz")

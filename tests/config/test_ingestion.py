from pathlib import Path

import pytest
import yaml
from tests.support.parameters import base_parameters, section

from lexipix.utils.errors import LexipixError

CONF = Path(__file__).parents[2] / "conf"


def source_of(env):
    return yaml.safe_load((CONF / env / "parameters_ingestion.yml").read_text())["ingestion"]["source"]


@pytest.mark.parametrize(("env", "kind"), [("base", "scenes"), ("cifar10", "cifar10"), ("folder", "folder")])
def test_each_environment_has_its_kind_of_source(env, kind):
    assert source_of(env)["kind"] == kind


def test_cifar10_environment_points_at_the_dvc_import():
    assert (CONF.parent / f"{source_of('cifar10')['path']}.dvc").is_file()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"image_sise": 32}, "image_sise"),
        ({"image_size": 30}, "multiple of 8"),
        ({"source": {"kind": "web"}}, "'scenes', 'cifar10' or 'folder'"),
        ({"source": {"scenes": {"max_objects": 4}}}, "less than or equal to 3"),
        ({"source": {"folder": {"label_template": "a {lable}"}}}, "{lable}; allowed are {label}, {a_label}"),
        ({"source": {"folder": {"label_template": "a {label"}}}, "is no template"),
        ({"source": {"cifar10": {"class_template": "{noun}"}}}, "names {noun}"),
        ({"source": {"folder": {"caption_templates": []}}}, "at least 1 item"),
        ({"source": {"folder": {"caption_templates": ["an emoji"]}}}, "'an emoji' names no field"),
        ({"source": {"folder": {"caption_templates": ["{text.real}"]}}}, "more than names of fields"),
        ({"source": {"folder": {"caption_templates": ["{text"]}}}, "is no template"),
        ({"splits": {"val": 0.0}}, "greater than 0"),
        ({"splits": {"val": 0.46, "test": 0.46}}, "less than a tenth for training"),
        ({"resize": {"background": [0, 0, 256]}}, "less than or equal to 255"),
        ({"max_reject_share": 1.5}, "less than or equal to 1"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(change, said):
    with pytest.raises(LexipixError, match=said.replace("{", r"\{").replace("(", r"\(")):
        section("ingestion", change)


@pytest.mark.parametrize("value", [7, float("nan"), True])
def test_a_path_that_yaml_takes_for_a_number_is_refused(value):
    """YAML reads 007 as 7, which would be another folder."""
    with pytest.raises(LexipixError, match="must be a text, in quotation marks"):
        base_parameters({"ingestion.source.path": value})
    assert base_parameters({"ingestion.source.path": "007"}).ingestion.source.path == "007"

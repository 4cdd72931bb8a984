from typing import Annotated, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lexipix.config.errors import explain, keys


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Source(Strict):
    kind: Literal["scenes", "folder"]
    n_images: int = Field(10, ge=1)


class Vae(Strict):
    latent_channels: int = Field(4, gt=0)
    widths: list[Annotated[int, Field(gt=0)]] = Field([8], min_length=1)
    color: tuple[int, int, int] = (0, 0, 0)

    @model_validator(mode="after")
    def _enough(self):
        if self.latent_channels > len(self.widths) * 100:
            raise ValueError("too many channels for so few widths")
        return self


class Generator(Strict):
    vae: Vae = Vae()
    loss: Literal["hinge", "wasserstein"] = "hinge"
    steps: int


class Root(Strict):
    source: Source
    generator: Generator

    @model_validator(mode="after")
    def _fits(self):
        if self.generator.loss == "wasserstein" and self.source.kind == "folder":
            raise ValueError("a folder needs generator.loss = hinge")
        return self


GOOD = {"source": {"kind": "scenes"}, "generator": {"steps": 1}}


def sentences(change):
    raw = {**GOOD, **change}
    try:
        Root.model_validate(raw)
    except ValidationError as error:
        return explain(error, Root, lambda key: f"conf/base/parameters_{key.partition('.')[0]}.yml")
    return []


def test_sections_that_do_not_fit_each_other_are_one_sentence():
    folder = {"source": {"kind": "folder"}, "generator": {"steps": 1, "loss": "wasserstein"}}
    assert sentences(folder) == ["parameters: a folder needs generator.loss = hinge."]


def test_value_out_of_range_names_key_value_rule_and_mend():
    assert sentences({"generator": {"steps": 1, "vae": {"latent_channels": 0}}}) == [
        "parameters: generator.vae.latent_channels = 0 is out of range: must be greater than 0 "
        "(conf/base/parameters_generator.yml or --params=generator.vae.latent_channels=…)."
    ]


def test_misspelt_key_names_the_nearest_one():
    (sentence,) = sentences({"generator": {"steps": 1, "vae": {"latent_chanels": 4}}})
    assert "generator.vae.latent_chanels is unknown: did you mean generator.vae.latent_channels?" in sentence


def test_key_one_level_too_high_names_where_it_belongs():
    (sentence,) = sentences({"generator": {"steps": 1, "latent_channels": 4}})
    assert "did you mean generator.vae.latent_channels?" in sentence


def test_key_like_no_other_lists_what_is_known_there():
    (sentence,) = sentences({"generator": {"steps": 1, "xyz": 4}})
    assert "known are generator.vae, generator.loss, generator.steps" in sentence


def test_choice_names_the_choices():
    (sentence,) = sentences({"generator": {"steps": 1, "loss": "hing"}})
    assert "generator.loss = 'hing' is not one of the choices: must be 'hinge' or 'wasserstein'" in sentence


def test_missing_key():
    (sentence,) = sentences({"generator": {}})
    assert sentence.startswith("parameters: generator.steps is missing: add it (conf/base/")


def test_wrong_type():
    (sentence,) = sentences({"generator": {"steps": "many"}})
    assert "generator.steps = 'many' is not valid: must be a valid integer" in sentence


def test_element_of_a_list_has_its_index():
    (sentence,) = sentences({"generator": {"steps": 1, "vae": {"widths": [8, -1]}}})
    assert "generator.vae.widths.1 = -1 is out of range" in sentence


def test_a_list_whose_only_value_is_wrong_is_not_also_called_empty():
    (sentence,) = sentences({"generator": {"steps": 1, "vae": {"widths": [-1]}}})
    assert "generator.vae.widths.0 = -1 is out of range" in sentence
    (sentence,) = sentences({"generator": {"steps": 1, "vae": {"widths": []}}})
    assert "generator.vae.widths is not valid: must have at least 1 item, not 0 (" in sentence


def test_too_few_values_are_not_a_missing_key():
    assert sentences({"generator": {"steps": 1, "vae": {"color": [1, 2]}}}) == [
        "parameters: generator.vae.color = [1, 2] has too few values, number 3 is missing "
        "(conf/base/parameters_generator.yml or --params=generator.vae.color=…)."
    ]


def test_a_value_in_place_of_a_group_of_keys():
    (sentence,) = sentences({"generator": {"steps": 1, "vae": 3}})
    assert "generator.vae = 3 is not valid: must be a group of keys (" in sentence


def test_rule_over_several_keys_speaks_for_itself():
    (sentence,) = sentences({"generator": {"steps": 1, "vae": {"latent_channels": 400, "widths": [1]}}})
    assert "generator.vae is not valid: too many channels for so few widths (" in sentence


def test_every_mistake_has_its_line():
    assert len(sentences({"generator": {"loss": 3, "vae": {"widths": 3, "depth": 1}}, "x": 1})) == 5


def test_keys_of_groups_are_known():
    assert set(keys(Root)) == {
        "source", "source.kind", "source.n_images", "generator", "generator.loss", "generator.steps",
        "generator.vae", "generator.vae.latent_channels", "generator.vae.widths", "generator.vae.color",
    }  # fmt: skip


@settings(max_examples=50)
@given(
    st.dictionaries(
        st.sampled_from(["source", "generator", "vae", "kind", "steps", "widths", "strange"]),
        st.recursive(
            st.none() | st.integers() | st.text(max_size=3) | st.floats(),
            lambda inner: (
                st.lists(inner, max_size=2)
                | st.dictionaries(st.sampled_from(["kind", "vae", "widths", "steps", "a"]), inner, max_size=3)
            ),
            max_leaves=6,
        ),
    )
)
def test_any_nonsense_is_told_one_sentence_for_each_mistake(raw):
    try:
        Root.model_validate(raw)
    except ValidationError as error:
        told = explain(error, Root, lambda _: "somewhere.yml")
        all_empty = sum(details["type"] == "too_short" for details in error.errors())
        assert error.error_count() - all_empty <= len(told) <= error.error_count()
        assert all(line.startswith("parameters: ") and line.endswith(".") for line in told)
    else:
        pytest.fail("nonsense was accepted") if "strange" in raw else None


def test_of_thousands_of_errors_some_are_told_and_the_others_counted():
    widths = {"generator": {"steps": 1, "vae": {"widths": [-1] * 10_000}}}
    told = sentences(widths)
    assert len(told) == 51
    assert told[0].startswith("parameters: generator.vae.widths.0 = -1 is out of range")
    assert told[-1] == "parameters: 9,950 more errors."

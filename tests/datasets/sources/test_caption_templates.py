import pytest
from tests.support.parameters import section

from lexipix.datasets.sources.folder_metadata import fill_templates


def words(record, **change):
    return fill_templates(record, section("ingestion.source.folder", change))


TWO_LANGUAGES = ("{caption}, {style}", "{caption}", "{text_zh}, {style}", "{text_zh}")


def test_the_captions_field_alone_by_default():
    assert words({"text": "red heart", "style": "noto"}) == ("red heart",)
    assert words({"text": ["first", "second"]}) == ("first", "second")
    assert words({"text": None}) == words({}) == words({"text": "  "}) == ()


def test_the_first_template_is_the_caption_and_the_others_are_paraphrases():
    row = {"text": "red heart", "text_zh": "红心", "style": "fluent3d"}
    made = words(row, caption_templates=TWO_LANGUAGES, caption_values={"style": {"fluent3d": "3D"}})
    assert made == ("red heart, 3D", "red heart", "红心, 3D", "红心")


@pytest.mark.parametrize(
    ("row", "made"),
    [
        ({"text": "sun", "style": None, "text_zh": "太阳"}, ("sun", "太阳")),
        ({"text": "sun", "style": "noto"}, ("sun, noto", "sun")),
        ({"text_zh": "太阳"}, ("太阳",)),
        ({"style": "noto"}, ()),
    ],
)
def test_a_wording_with_a_missing_field_is_dropped(row, made):
    assert words(row, caption_templates=TWO_LANGUAGES) == made


def test_other_fields_are_named_as_they_are_and_lists_are_spoken_with_commas():
    row = {"name": "pizza", "keywords": ["cheese", "slice"], "year": 2020, "text": "no"}
    made = words(
        row, caption_field="name", caption_templates=("{caption} of {year}", "{keywords}", "{{{caption}}}")
    )
    assert made == ("pizza of 2020", "cheese, slice", "{pizza}")


def test_captions_in_a_list_make_wordings_each():
    made = words({"text": ["a sun", "the sun"], "style": "noto"}, caption_templates=TWO_LANGUAGES)
    assert made == ("a sun, noto", "the sun, noto", "a sun", "the sun")


@pytest.mark.parametrize("row", [{"text": 5}, {"text": [None]}, {"text": "a", "style": {"b": 1}}])
def test_what_is_no_text_is_refused(row):
    with pytest.raises(ValueError, match=r"in the field '(text|style)' is not a text"):
        words(row, caption_templates=("{caption}, {style}",))

import pytest

from lexipix.inference import prompt_suggestions
from lexipix.inference.prompt_suggestions import PromptSuggestions

CAPTIONS = ["a red heart", "a red house", "a blue star", "a big blue star", "a green leaf", "a red heart"]


@pytest.fixture
def suggest():
    return PromptSuggestions(CAPTIONS)


def test_captions_that_continue_the_prompt_come_first(suggest):
    assert suggest("a red h", 2) == ["a red heart", "a red house"]
    assert suggest("A  Red", 1)[0].startswith("a red ")


def test_then_come_captions_that_share_words(suggest):
    assert suggest("one blue star")[:2] == ["a blue star", "a big blue star"]
    assert suggest("star")[0] == "a blue star"


def test_an_incomplete_last_word_finds_captions(suggest):
    assert suggest("some gre") == ["a green leaf"]
    assert suggest("some gre ") == []


def test_the_prompt_itself_is_no_suggestion(suggest):
    assert "a red heart" not in suggest("A red heart")


def test_an_empty_prompt_gets_captions_spread_over_all(suggest):
    assert suggest("", 2) == ["a red heart", "a blue star"]
    assert PromptSuggestions([])("") == []


def test_of_very_many_captions_some_are_searched(monkeypatch):
    monkeypatch.setattr(prompt_suggestions, "MAX_CAPTIONS", 10)
    suggest = PromptSuggestions([f"star number {number}" for number in range(35)])
    assert len(suggest.captions) == 9 and suggest("star num")

import doctest

import pytest

from lexipix.datasets.sources import cifar10
from lexipix.datasets.sources import class_captions as words


@pytest.mark.parametrize("module", [words, cifar10])
def test_examples_in_the_documentation(module):
    result = doctest.testmod(module)
    assert result.attempted and not result.failed


@pytest.mark.parametrize(
    "phrase",
    ["an ostrich", "a bird", "an umbrella", "a unicorn", "a uniform", "an undershirt", "a European elk",
     "an hour", "a horse", "a ewe", "an Alces alces", "a used car", "an uncle", "a utility van",
     "a one-wheeler", "a 鸟"],
)  # fmt: skip
def test_article(phrase):
    assert words.with_article(phrase.split(" ", 1)[1]) == phrase


def test_template_spaces_and_article():
    assert words.caption_from("{a_label} ({label})", label="old__owl ") == "an old owl (old owl)"

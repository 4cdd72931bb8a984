import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support import reference_metrics

from lexipix.metrics import text

words = st.lists(
    st.sampled_from(["red", "green", "big", "star", "circle", "on", "white"]), min_size=4, max_size=9
)
corpora = st.lists(words.map(" ".join), min_size=2, max_size=6, unique=True)


class TestTokens:
    def test_words_and_marks_in_lower_case(self) -> None:
        assert text.tokens("A big  Red star, left.") == ["a", "big", "red", "star", ",", "left", "."]

    def test_text_without_spaces_is_taken_apart(self) -> None:
        assert text.tokens("红圆 ok 한글") == ["红", "圆", "ok", "한", "글"]
        assert text.tokens("большой круг") == ["большой", "круг"]


class TestExactMatch:
    def test_share(self) -> None:
        assert text.exact_match(["a Cat", "a  dog", "a cow"], ["a cat", "a dog", "a cat"]) == pytest.approx(
            2 / 3
        )


class TestBleu4:
    def test_worked_by_hand(self) -> None:
        # No run of four agrees: "the cat sat on", "cat sat on the", "sat on the mat".
        assert text.bleu4(["the cat sat on the mat"], ["the cat is on the mat"]) == 0
        # 5 of 6 words, 4 of 5 pairs, 3 of 4 triples and 2 of 3 runs of four agree.
        figure = text.bleu4(["a big red star on white"], ["a big red star on black"])
        assert figure == pytest.approx((5 / 6 * 4 / 5 * 3 / 4 * 2 / 3) ** 0.25)

    def test_too_short_is_penalised(self) -> None:
        figure = text.bleu4(["a big red star"], ["a big red star on white"])
        assert figure == pytest.approx(math.exp(1 - 6 / 4))

    def test_no_words_give_zero(self) -> None:
        assert text.bleu4(["", "..."], ["a star", ""]) == 0

    @settings(max_examples=40, deadline=None)
    @given(st.lists(st.tuples(words, words), min_size=1, max_size=5))
    def test_torchmetrics_agrees_with_the_formula(self, captions: list) -> None:
        candidates = [" ".join(candidate) for candidate, _ in captions]
        references = [" ".join(reference) for _, reference in captions]
        expected = reference_metrics.bleu4(candidates, [[one] for one in references])
        assert text.bleu4(candidates, references) == pytest.approx(expected, rel=1e-5)


class TestCiderD:
    def test_two_words_by_hand(self) -> None:
        # Each image has its own words, so all weights are log 2. Runs of one and two words agree wholly;
        # there are no runs of three and four: (1 + 1 + 0 + 0) / 4 of 10.
        assert text.cider_d(["a b", "c d"], ["a b", "c d"]) == pytest.approx(5)

    def test_words_that_every_image_has_count_nothing(self) -> None:
        # "photo" has weight log(2/2) = 0: of single words only cat and dog count; of pairs "photo cat" is
        # unique.
        assert text.cider_d(["photo cow", "photo dog"], ["photo cat", "photo dog"]) == pytest.approx(2.5)

    def test_half_the_words_by_hand(self) -> None:
        # A word no reference has (x) weighs as much as one that a single image has, so all weights are log 2.
        # Image 1: single words a, x against a, b: cosine 1/2; pairs: 0. Image 2: 1 for words, 1 for pairs.
        expected = 10 * ((1 / 2 + 0) / 4 + (1 + 1) / 4) / 2
        assert text.cider_d(["a x", "c d"], ["a b", "c d"]) == pytest.approx(expected)

    def test_length_is_penalised_by_hand(self) -> None:
        # In units of the weight: "a a" against "a" is clipped to 1, so 1 * 1 / (2 * 1); one word too long.
        figure = text.cider_d(["a a", "c"], ["a", "c"])
        expected = 10 * (math.exp(-1 / 72) * (1 / 2) / 4 + 1 / 4) / 2
        assert figure == pytest.approx(expected)

    @settings(max_examples=40, deadline=None)
    @given(corpora)
    def test_bounded_and_best_for_the_truth(self, captions: list[str]) -> None:
        best = text.cider_d(captions, captions)
        turned = text.cider_d(captions[1:] + captions[:1], captions)
        assert 0 <= turned <= best + 1e-9 <= 10 + 2e-9

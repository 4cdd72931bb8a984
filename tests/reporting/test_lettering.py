import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexipix.reporting import lettering


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(12, 300), st.integers(1, 6))
def test_any_text_is_broken_into_lines_that_fit(text: str, width: int, max_lines: int) -> None:
    lines, font = lettering.wrap(text, width, size=12, max_lines=max_lines)
    assert len(lines) <= max_lines
    for line in lines:
        assert font.getlength(line) <= width or len(line) <= 2  # a single wide character cannot be broken


def test_no_word_is_lost_or_broken_where_there_is_room() -> None:
    caption = "a small purple star at the center and a small orange circle at the right on white"
    lines, _ = lettering.wrap(caption, 128, size=12)
    assert len(lines) > 1
    assert " ".join(lines) == caption


def test_a_word_wider_than_the_line_is_broken_and_text_without_spaces_too() -> None:
    lines, _ = lettering.wrap("x" * 60, 100, size=12)
    assert "".join(lines) == "x" * 60
    lines, _ = lettering.wrap("一个大红色圆圈在左边白色背景上一个大红色圆圈在左边", 100, size=12)
    assert len(lines) > 1


def test_what_does_not_fit_ends_in_an_ellipsis() -> None:
    lines, font = lettering.wrap("word " * 100, 100, size=12, max_lines=3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert font.getlength(lines[-1]) <= 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb\t c ", "a b c"), ("nul\x00 bell\x07", "nul bell"), ("half \ud800", "half ?"), ("", "")],
)
def test_clean(text: str, expected: str) -> None:
    assert lettering.clean(text) == expected


def test_without_matplotlib_and_without_its_fonts_there_is_still_a_font(monkeypatch) -> None:
    monkeypatch.setattr(lettering, "_default_path", lambda bold: None)
    monkeypatch.setattr(lettering, "_fallback_path", lambda block, character: None)
    lines, font = lettering.wrap("a big red star 红色", 200, size=12)
    assert lines and font.getlength(lines[0]) > 0

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lexipix.reporting import fonts, lettering


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60), st.integers(12, 300), st.integers(1, 6))
def test_any_text_is_broken_into_lines_that_fit(text: str, width: int, max_lines: int) -> None:
    lines, face = lettering.wrap(text, width, size=12, max_lines=max_lines)
    assert len(lines) <= max_lines
    for line in lines:
        assert face.getlength(line) <= width or len(line) <= 2  # a single wide character cannot be broken


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
    lines, face = lettering.wrap("word " * 100, 100, size=12, max_lines=3)
    assert len(lines) == 3
    assert lines[-1].endswith("…")
    assert face.getlength(lines[-1]) <= 100


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a\nb\t c ", "a b c"), ("nul\x00 bell\x07", "nul bell"), ("half \ud800", "half ?"), ("", "")],
)
def test_clean(text: str, expected: str) -> None:
    assert lettering.clean(text) == expected


class TestLettersWithoutAFont:
    def test_what_every_letter_of_can_be_drawn_stays(self, chinese_font: str) -> None:
        for text in ("a red star", "красный", "红色", "红色 star", ""):
            assert lettering.legible([text]) == text

    def test_another_wording_is_better_than_a_part(self, chinese_font: str) -> None:
        assert lettering.legible(["绿 star", "a green star", "grün"]) == "a green star"
        assert lettering.legible([None, "", "绿 star"]) == "… star"

    def test_letters_in_a_row_make_one_ellipsis(self, chinese_font: str) -> None:
        assert lettering.legible(["1 星星 and 绿绿绿 2"]) == "1 … and … 2"

    def test_without_a_word_the_key_stands_and_is_itself_no_box(self, system_fonts) -> None:
        system_fonts()
        assert lettering.legible(["绿", "星星, 星"], "green.png") == "green.png"
        assert lettering.legible(["绿色"], "绿色.png") == lettering.legible(["绿色"]) == lettering.NO_FONT

    def test_a_line_drawn_holds_no_letter_without_a_font(self, system_fonts) -> None:
        system_fonts()
        assert lettering.wrap("绿色的星星", 400, 12, otherwise="picture 3").lines == ["picture 3"]
        assert lettering.wrap("绿色的星星 2", 400, 12).lines == ["… 2"]

    def test_the_log_says_once_which_package_helps(self, system_fonts, caplog) -> None:
        system_fonts()
        for text in ("绿色", "星星", "한국어", "ไทย"):
            lettering.legible([text])
        packages = [record.args[0] for record in caplog.records]
        assert packages == ["fonts-noto-cjk", "fonts-noto-core"]
        assert "install one, from the package fonts-noto-cjk" in caplog.text

    def test_without_matplotlib_there_is_still_a_font(self, system_fonts, monkeypatch) -> None:
        system_fonts()
        monkeypatch.setattr(fonts, "default_path", lambda bold=False: None)
        lines, face = lettering.wrap("a big red star 红色", 200, size=12)
        assert lines == ["a big red star …"] and face.getlength(lines[0]) > 0

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import font_manager

from lexipix.reporting import text
from lexipix.reporting.text import ELLIPSIS, NO_FONT, first_drawable, wrap

CAPTION = "a small purple star at the center and a small orange circle at the right on white"


def width(line: str, size: int = 12) -> float:
    return text._width(line, wrap(line, 10_000, size).fonts, size)


def drawn(line: str, size: int = 12) -> np.ndarray:
    """The line in black on white, with its upper left corner at (4, 4)."""
    pixels = np.full((30, 200, 3), 255, np.uint8)
    wrap(line, 190, size).draw(pixels, 4, 4, (0, 0, 0))
    return pixels


class TestWrap:
    @settings(max_examples=60, deadline=None)
    @given(st.text(max_size=60), st.integers(12, 300), st.integers(1, 6))
    def test_any_text_is_broken_into_lines_that_fit(self, line: str, most: int, max_lines: int) -> None:
        block = wrap(line, most, size=12, max_lines=max_lines)
        assert len(block.lines) <= max_lines
        for line in block.lines:
            # A single wide character cannot be broken; kerning may add a fraction of a pixel
            assert text._width(line, block.fonts, 12) <= most + 1 or len(line) <= 2

    def test_no_word_is_lost_or_broken_if_there_is_room(self) -> None:
        lines = wrap(CAPTION, 128, size=12).lines
        assert len(lines) > 1
        assert " ".join(lines) == CAPTION

    def test_a_word_wider_than_the_line_is_broken_and_text_without_spaces_too(self, chinese_font) -> None:
        assert "".join(wrap("x" * 60, 100, size=12).lines) == "x" * 60
        lines = wrap("红色" * 12, 100, size=12).lines
        assert len(lines) > 1 and "".join(lines) == "红色" * 12

    def test_text_that_does_not_fit_ends_in_an_ellipsis(self) -> None:
        lines = wrap("word " * 100, 100, size=12, max_lines=3).lines
        assert len(lines) == 3
        assert lines[-1].endswith(ELLIPSIS)
        assert width(lines[-1]) <= 100

    def test_a_line_has_no_character_without_a_font(self, system_fonts) -> None:
        system_fonts()
        assert wrap("绿色的星星", 400, 12, fallback="image 3").lines == ["image 3"]
        assert wrap("绿色的星星 2", 400, 12).lines == ["… 2"]


class TestDraw:
    def test_characters_of_several_fonts_share_a_baseline_one_after_the_other(self, chinese_font) -> None:
        assert width("a 红 b") == pytest.approx(width("a ") + width("红 ") + width("b"), abs=1)
        rows, columns = np.nonzero((drawn("a红") < 128).all(-1))
        square = columns >= 4 + width("a")
        assert set(rows[square]) == set(range(16 - 9, 16))  # 9 pixels high, on the baseline at 4 + 12
        assert rows[~square].max() == 15

    def test_text_beyond_the_edges_is_cut_off(self) -> None:
        block = wrap("Åg" * 20, 400, 12)
        whole = np.full((60, 500, 3), 255, np.uint8)
        block.draw(whole, 20, 20, (0, 0, 0))
        part = np.full((8, 30, 3), 255, np.uint8)
        block.draw(part, -5, -5, (0, 0, 0))
        np.testing.assert_array_equal(part, whole[25:33, 25:55])

    def test_right_to_left_text_is_shaped(self) -> None:
        letters = ["م", "ر", "ح", "ب", "ا"]
        assert width("".join(letters)) < sum(map(width, letters)) - 5  # joined forms are narrower

    @pytest.mark.parametrize("character", ["\u200d", "\ufe0f", "\u2060"])
    def test_invisible_characters_draw_nothing(self, character: str) -> None:
        line = f"a{character}b"
        assert width(line) == pytest.approx(width("ab"), abs=1)  # without the kerning
        assert (255 - drawn(line)).sum() == pytest.approx((255 - drawn("ab")).sum(), rel=0.02)


class TestFirstDrawable:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [("a\nb\t c ", "a b c"), ("nul\x00 bell\x07", "nul… bell…"), ("half \ud800", "half …"), ("", "")],
    )
    def test_one_line_without_control_characters(self, given: str, expected: str) -> None:
        assert first_drawable([given]) == expected

    def test_a_text_with_a_font_for_each_character_is_unchanged(self, chinese_font) -> None:
        for line in ("a red star", "красный", "红色", "红色 star", "a\u200db", ""):
            assert first_drawable([line]) == line

    def test_another_text_is_preferred_to_an_incomplete_one(self, chinese_font) -> None:
        assert first_drawable(["绿 star", "a green star", "grün"]) == "a green star"
        assert first_drawable([None, "", "绿 star"]) == "… star"

    def test_a_run_of_missing_characters_becomes_one_ellipsis(self, chinese_font) -> None:
        assert first_drawable(["1 星星 and 绿\u200d绿绿 2"]) == "1 … and … 2"

    def test_without_any_letter_the_fallback_is_used_if_it_can_be_drawn(self, system_fonts) -> None:
        system_fonts()
        assert first_drawable(["绿", "星星, 星"], "green.png") == "green.png"
        assert first_drawable(["绿色"], "绿色.png") == first_drawable(["绿色"]) == NO_FONT

    def test_the_log_suggests_fonts_once(self, system_fonts, caplog) -> None:
        system_fonts()
        for line in ("绿色", "星星", "한국어"):
            first_drawable([line])
        assert len(caplog.records) == 1
        assert "apt-get install fonts-noto-core fonts-noto-cjk" in caplog.text


class TestSystemFonts:
    def test_a_file_that_is_no_font_is_skipped(self, chinese_font, tmp_path, system_fonts) -> None:
        broken = tmp_path / "broken.ttf"
        broken.write_bytes(b"no font")
        system_fonts(str(broken), "/gone.ttf", chinese_font)
        assert text._font_for("红") == chinese_font and text._font_for("绿") is None

    def test_regular_noto_sans_fonts_and_large_fonts_are_preferred(
        self, chinese_font, tmp_path, system_fonts
    ):
        regular, noto, bold = (tmp_path / name for name in ("A.ttf", "NotoSansTest.ttf", "A-Bold.ttf"))
        for path in (regular, noto, bold):
            path.write_bytes((tmp_path / "TwoLetters.ttf").read_bytes())
        system_fonts(str(bold), str(regular), str(noto))
        assert text._font_for("红") == str(noto)
        system_fonts(str(bold))
        assert text._font_for("红") is None
        large = font_manager.findfont("DejaVu Sans")  # a real font has more glyphs
        system_fonts(chinese_font, large)
        assert text._system_fonts()[ord("a")] == large

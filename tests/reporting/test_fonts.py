import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from lexipix.reporting import fonts


def inked(text: str, size: int = 12) -> Image.Image:
    image = Image.new("RGB", (200, 30), "white")
    fonts.Typeface(text, size).write(ImageDraw.Draw(image), 4, 4, text, (0, 0, 0))
    return image


def test_what_the_default_font_has_is_drawn_with_it(chinese_font: str) -> None:
    image = Image.new("RGB", (200, 30), "white")
    font = ImageFont.truetype(fonts.default_path(), 12)
    ImageDraw.Draw(image).text((4, 4), "Größe, кот", fill=(0, 0, 0), font=font)
    assert inked("Größe, кот").tobytes() == image.tobytes()


def test_letters_of_several_fonts_stand_in_one_line_one_after_the_other(chinese_font: str) -> None:
    face = fonts.Typeface("a 红 b", 12)
    apart = [fonts.Typeface(text, 12).getlength(text) for text in ("a ", "红 ", "b")]
    assert face.getlength("a 红 b") == pytest.approx(sum(apart))
    rows, columns = np.nonzero((np.asarray(inked("a红")) == 0).all(-1))
    square = columns >= 4 + fonts.Typeface("a", 12).getlength("a")
    # The square of the test's font stands on the line on which the letters before it stand
    assert set(rows[square]) == set(range(16 - 9, 16)) and square.sum() >= 72


def test_what_no_font_has_is_not_drawable(chinese_font: str) -> None:
    assert fonts.drawable("a") and fonts.drawable("é") and fonts.drawable("红")
    assert not fonts.drawable("绿")
    assert fonts.spare_path("红") == chinese_font and fonts.spare_path("绿") is None


@pytest.mark.parametrize("letter", ["\u0e48", "\u093e"])  # marks that a shaped text would set on a circle
def test_a_lone_mark_that_the_font_lacks_is_no_letter(letter: str) -> None:
    assert not fonts.has(fonts.default_path(), letter)


@pytest.mark.parametrize("letter", ["\u200d", "\ufe0f", "\u3000"])
def test_what_draws_nothing_needs_no_font(letter: str) -> None:
    assert fonts.has(fonts.default_path(), letter)


def test_fonts_of_whole_languages_and_regular_ones_are_asked_first() -> None:
    paths = [
        "/a/Abc-Bold.ttf",
        "/z/NotoSansCJK-Bold.ttc",
        "/z/NotoSansCJK-Regular.ttc",
        "/y/wqy-microhei.ttc",
        "/b/Abc.ttf",
        "/System/Library/LastResort.otf",
    ]
    first = ("/z/NotoSansCJK-Regular.ttc", "/z/NotoSansCJK-Bold.ttc", "/y/wqy-microhei.ttc")
    assert fonts.ranked(paths) == fonts.ranked(paths[::-1]) == (*first, "/b/Abc.ttf", "/a/Abc-Bold.ttf")


def test_a_font_file_that_cannot_be_read_is_passed_over(chinese_font: str, tmp_path, monkeypatch) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    monkeypatch.setattr(fonts, "system_fonts", lambda: (str(broken), "/gone.ttf", chinese_font))
    fonts.spare_path.cache_clear()
    assert fonts.spare_path("红") == chinese_font


def test_the_fonts_of_the_system_are_looked_for_afresh_and_trouble_means_none(monkeypatch) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: ["/b/Abc.ttf", "/z/NotoSansCJK-Regular.ttc"])
    search = fonts.system_fonts.__wrapped__
    assert search() == ("/z/NotoSansCJK-Regular.ttc", "/b/Abc.ttf")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: 1 / 0)
    assert search() == ()

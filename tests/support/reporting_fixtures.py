"""Fixtures that replace the fonts of the machine."""

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from lexipix.reporting import text

UNITS = 1000


@pytest.fixture
def system_fonts(monkeypatch):
    """Sets which fonts the machine has in addition to DejaVu Sans."""

    def only(*paths: str) -> None:
        monkeypatch.setattr(font_manager, "findSystemFonts", lambda: list(paths))
        clear_caches()

    yield only
    monkeypatch.undo()
    clear_caches()


def clear_caches() -> None:
    for function in (text._system_fonts, text._font_for, text._suggest_fonts):
        function.cache_clear()


@pytest.fixture
def chinese_font(tmp_path, system_fonts) -> str:
    """The machine's only other font: it draws the two characters of 红色 as squares."""

    def square(side: int) -> object:
        pen = TTGlyphPen(None)
        pen.moveTo((0, 0))
        pen.lineTo((0, side))
        pen.lineTo((side, side))
        pen.lineTo((side, 0))
        pen.closePath()
        return pen.glyph()

    names = [".notdef", "red", "color"]
    builder = FontBuilder(UNITS, isTTF=True)
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap({ord("红"): "red", ord("色"): "color"})
    builder.setupGlyf({name: square(side) for name, side in zip(names, (300, 750, 750), strict=True)})
    builder.setupHorizontalMetrics(dict.fromkeys(names, (UNITS, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Two Letters", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    path = str(tmp_path / "TwoLetters.ttf")
    builder.save(path)
    system_fonts(path)
    return path

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen

from lexipix.reporting import fonts, lettering

UNITS = 1000


@pytest.fixture
def system_fonts(monkeypatch):
    """Sets which fonts the machine has, whatever it really has."""

    def only(*paths: str) -> None:
        monkeypatch.setattr(fonts, "system_fonts", lambda: paths)
        fonts.spare_path.cache_clear()
        lettering._advise.cache_clear()

    yield only
    monkeypatch.undo()
    fonts.spare_path.cache_clear()
    lettering._advise.cache_clear()


@pytest.fixture
def chinese_font(tmp_path, system_fonts) -> str:
    """The machine's only font: it draws the two letters of 红色 as squares."""

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

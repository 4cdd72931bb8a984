import logging

from lexipix.utils.terminal import InertFormatter, inert


def test_control_characters_become_escapes_and_text_stays():
    assert inert("\x1b]0;title\x07 red\u202e\x9b31m") == "\\x1b]0;title\\x07 red\\u202e\\x9b31m"
    plain = "a red star\n\t图 e\u0301 👩‍👩‍👧 é"
    assert inert(plain) == plain
    assert inert("\ud800") == "\\ud800"


def test_log_lines_are_inert():
    record = logging.LogRecord("x", logging.INFO, "x.py", 1, "file %s", ("\x1b[31m.png",), None)
    assert InertFormatter(logging.Formatter("%(levelname)s %(message)s")).format(record) == (
        "INFO file \\x1b[31m.png"
    )

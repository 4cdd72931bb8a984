import io
import logging

import pytest

from lexipix.utils import image_progress as picture_progress
from lexipix.utils.image_progress import tracked


class Clock:
    """Each look at it is a tenth of a second later."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        self.now += 0.1
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(picture_progress, "time", Clock())


def lines(caplog, n_items, total=100):
    with caplog.at_level(logging.INFO, "lexipix"):
        assert list(tracked(iter(range(n_items)), total)) == list(range(n_items))
    return [record.message for record in caplog.records]


def test_nothing_is_said_when_it_goes_quickly(caplog):
    assert lines(caplog, 25) == []


def test_a_line_now_and_then(caplog):
    said = lines(caplog, 400, 1000)
    assert len(said) == 3
    assert said[0].startswith("Ingesting: 30 of 1,000 pictures, 10/s")


def test_unknown_total(caplog):
    assert lines(caplog, 40, None)[0].startswith("Ingesting: 30 pictures")


def test_a_terminal_gets_a_bar(monkeypatch, caplog):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert lines(caplog, 300, 300) == []
    assert "Ingesting" in terminal.getvalue() and "pictures" in terminal.getvalue()

import io
import logging

import pytest
import torch

from lexipix.utils import progress
from lexipix.utils.progress import Progress, track


class Clock:
    """Advances an eighth of a second each time it is read."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 0.125
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(progress, "time", Clock())


def lines(caplog, n_items, total=100):
    with caplog.at_level(logging.INFO, "lexipix"):
        assert list(track(iter(range(n_items)), total, "Ingesting")) == list(range(n_items))
    return [record.message for record in caplog.records]


def test_a_short_loop_logs_nothing(caplog):
    assert lines(caplog, 39) == []


def test_a_long_loop_logs_a_line_every_half_minute(caplog):
    logged = lines(caplog, 700, 1000)
    assert len(logged) == 3
    assert logged[0] == "Ingesting: 40 of 1,000 images, 8/s, about 120 s left"


def test_without_a_total_no_time_left_is_logged(caplog):
    assert lines(caplog, 60, None) == ["Ingesting: 40 images, 8/s"]


def test_batches_count_with_their_size(caplog):
    with caplog.at_level(logging.INFO, "lexipix"):
        batches = torch.arange(600).split(10)
        assert len(list(track(batches, 600, "small: drawing", size=len))) == 60
    assert caplog.records[0].message.startswith("small: drawing: 400 of 600 images, 80/s")


def test_a_resumed_loop_counts_from_where_it_stopped_and_shows_three_metrics(caplog):
    metrics = {name: torch.tensor(0.123456, requires_grad=True) for name in ("loss", "ssim", "kl", "more")}
    with caplog.at_level(logging.INFO, "lexipix"), Progress("vae", 10_000, done=5_000) as bar:
        for _ in range(60):
            bar.advance(64, metrics)
    (line,) = (record.message for record in caplog.records)
    shown = "loss=0.123, ssim=0.123, kl=0.123"
    assert line == f"vae: 7,560 of 10,000 images, 512/s, {shown}, about 5 s left"


def test_a_terminal_gets_a_bar(monkeypatch, caplog):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert lines(caplog, 300, 300) == []
    assert "Ingesting" in terminal.getvalue() and "of 300 images" in terminal.getvalue()

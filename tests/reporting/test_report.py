import base64
import io
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.support.example_metrics import METRICS

from lexipix.reporting import plots
from lexipix.reporting.report import (
    Gallery,
    png,
    render_report,
    thumbnail_size,
)


@pytest.fixture(autouse=True)
def small_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plots, "DPI", 40)


def random_images(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)


NOT_MEASURED: dict[str, Any] = {"extras": {}, "real_vs_real": {}, "n_images": 0, "n_candidates": None}


def context(**changes: Any) -> dict[str, Any]:
    images = random_images(3)
    given: dict[str, Any] = {
        "summary": {"source": "scenes", "digest": "0123456789abcdef"},
        "metrics": METRICS,
        "paths": {
            "extras": {"gan": {"frechet": 0.8, "sharpness": 0.97}},
            "real_vs_real": {"kid": 0.0002, "kid_std": 0.001, "frechet": 0.11},
            "n_images": 1000,
            "n_candidates": 100,
        },
        "captioner": {},
        "galleries": [
            Gallery("Fixed", "Always the same.", {"original": images, "caption": ["a", "b", "c"]}, ["x"] * 3),
            Gallery("Best", "By SSIM.", {"original": images[:1], "direct": images[1:2]}, ["y"]),
            Gallery("Worst", "By SSIM.", {"original": images[:0], "direct": images[:0]}, []),
        ],
        "captions": [(images[0], "a star", "a circle"), (images[1], None, "b")],
        "sheets": {"attention_sheet": images[0], "ingestion_sheet": images[2]},
        "curves": {"vae": pd.DataFrame({"images_seen": [1, 2], "loss": [2.0, 1.0]})},
        "run": {"seed": 7, "machine": "a machine", "code_revision": "a1b2c3d"},
    }
    return given | changes


def context_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """Nothing but metrics."""
    parts: dict[str, Any] = {"galleries": [], "captions": [], "sheets": {}, "curves": {}}
    return context(summary={}, metrics=metrics, paths=NOT_MEASURED, **parts)


class Page(HTMLParser):
    """Collects what a browser would have to fetch, which tags are open, and the text."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "hr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "data", "action")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


class TestRenderReport:
    def test_html_is_well_formed_and_self_contained(self) -> None:
        html = render_report(**context())
        page = Page(html)
        assert page.open == []
        assert page.addresses and all(a.startswith("data:image/png;base64,") for a in page.addresses)
        assert "script" not in page.tags and "link" not in page.tags
        assert not re.search(r"https?://|url\(|@import", html)

    def test_shows_every_part(self) -> None:
        words = Page(render_report(**context())).words
        for part in ("Direct path", "Text path", "Fixed", "Best", "Captions", "Attention of the captioner"):
            assert part in words
        for part in ("Speed", "Training curves", "Data", "5 min 00 s", "a1b2c3d", "33.12 dB", "a machine"):
            assert part in words
        assert "KID 0.0002 ± 0.0010, Fréchet 0.110, n = 1,000" in " ".join(words.split())
        assert "among 100 captions" in words and "Worst" not in words
        assert "Embedded scenes" in words and "0123456789ab" in words
        assert "trained on the captioned images outside the test split" in words

    def test_rate_and_memorization_are_shown_if_they_were_measured(self) -> None:
        words = Page(render_report(**context())).words
        assert "Memorization" not in words and "Bits per image" not in words
        metrics = METRICS | {
            "rate": {"psnr": 30.0, "jpeg": 6543.2},
            "memorization": {"gan": {"distance_ratio": 0.97, "very_near_share": 0.012}},
        }
        rate, neighbors = random_images(2)
        sheets = {"rate_sheet": rate, "memorization_sheet": neighbors}
        html = render_report(**context(metrics=metrics, sheets=sheets))
        page = Page(html)
        assert "Memorization" in page.words and "0.97" in page.words and "1.2%" in page.words
        assert "JPEG, 30 dB" in page.words and "6,543 bits" in page.words
        assert png(rate) in html and png(neighbors) in html

    def test_quality_by_information_is_shown_if_it_was_measured(self) -> None:
        heading = "Quality by information"
        assert heading not in Page(render_report(**context())).words
        html = render_report(**context(sheets={"information_sheet": random_images(3)[2]}))
        assert heading in Page(html).words and png(random_images(3)[2]) in html

    def test_a_report_without_metrics_is_valid(self) -> None:
        page = Page(render_report(**context_of({})))
        assert page.open == []
        assert "Text path" not in page.words and "Direct path" not in page.words and "None" not in page.words

    def test_captions_are_escaped(self) -> None:
        evil = '<script>alert(1)</script> & "quotes" \'n </table>'
        images = random_images(1)
        html = render_report(
            **context(
                summary={"source": evil},
                galleries=[Gallery(evil, evil, {evil: images, "caption": [evil]}, [evil])],
                captions=[(images[0], evil, evil)],
                run={"seed": 7, "machine": evil, "code_revision": ""},
            )
        )
        page = Page(html)
        assert "script" not in page.tags and page.open == []
        assert evil in page.words

    def test_images_are_embedded_without_loss(self) -> None:
        image = random_images(1)[0]
        with Image.open(io.BytesIO(base64.b64decode(png(image).split(",")[1]))) as read:
            np.testing.assert_array_equal(np.asarray(read), image)

    def test_same_input_same_report(self) -> None:
        assert render_report(**context()) == render_report(**context())


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((32, 32), (128, 128)), ((40, 20), (60, 120)), ((256, 512), (128, 64)), ((1, 1), (128, 128))],
)
def test_small_images_are_enlarged_by_an_integer(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert thumbnail_size(np.zeros((*shape, 3), np.uint8)) == expected


def test_the_champion_is_one_row_of_the_table_and_marked() -> None:
    fastest = {"latency_p50_ms": 1.0}
    speed = {"champion": fastest, "vae_fp32": {"latency_p50_ms": 2.0}, "gan_int8": fastest}
    html = render_report(**context_of({"speed": speed}))
    assert html.count('<tr class="marked"><th scope="row">gan_int8</th>') == 1
    assert '<th scope="row">champion</th>' not in html


def test_captions_written_for_training_images_are_counted() -> None:
    captioner = {"generated_captions": 8, "generated_captions_exact_match": 0.75}
    words = Page(render_report(**context(captioner=captioner))).words
    assert "8 captions" in words and "75.0%" in words
    assert "withheld" not in Page(render_report(**context())).words

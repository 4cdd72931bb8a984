"""The benchmark of quality at equal training time; some tests need the extra `bench`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.support.project import REPOSITORY, environment_without_settings
from tests.support.small_world import RUN, split

from lexipix.data.caption_batches import CaptionRows
from lexipix.data.tokenization import encode, pad_id, train_tokenizer
from lexipix.models.text_encoder import TextEncoder
from lexipix.models.text_to_image import TextEncoding

BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture
def quality(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import quality

    return quality


@pytest.fixture
def unet(monkeypatch):
    pytest.importorskip("diffusers")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import unet

    return unet


def row(model, rate, accuracy, kid):
    return {"model": model, "images/s": rate, "attribute accuracy": accuracy, "KID": kid}


def test_a_better_but_slower_point_is_not_reported(quality):
    rows = [row("ours", 800.0, 0.9, 0.1), row("theirs", 3.0, 0.99, 0.0)]
    said = quality.verdict(rows, ["ours"])
    assert said == (
        "No point of the U-Net is both better and faster than any of lexipix's, by attribute accuracy or KID."
    )


def test_a_better_and_faster_point_is_reported_with_its_metric(quality):
    rows = [row("whole", 100.0, 0.9, 0.1), row("fast", 900.0, 0.8, 0.2), row("theirs", 200.0, 0.85, 0.05)]
    said = quality.verdict(rows, ["whole", "fast"])
    assert said == (
        "Points of the U-Net that are both better and faster: by KID, theirs beats whole. "
        "By attribute accuracy none is."
    )


def test_each_image_is_drawn_once_in_order(quality, monkeypatch):
    monkeypatch.setattr(quality, "MIN_SECONDS", 0.0)
    everything = np.arange(10, dtype=np.uint8)
    drawn, rate = quality.measured(lambda rows: everything[rows], 10, 4)
    assert drawn.tolist() == everything.tolist()
    assert rate > 0


def test_the_unet_trains_for_the_given_time_and_draws_reproducibly(unet):
    image_splits = split(40, 1)
    captions = list(image_splits.captions["caption"])
    tokenizer = train_tokenizer(captions, 330)
    encoder = TextEncoder(tokenizer.get_vocab_size(), 40, 32, 1, 16).eval()

    def read(ids):
        mask = ids != pad_id(tokenizer)
        states, vector = encoder.encode(ids, mask)
        return TextEncoding(states, mask, vector)

    design = unet.Design(channels=(16, 32), attended=1, batch=8)
    network = unet.CaptionedUNet(design, 32, 32, 16)
    wordings = CaptionRows(
        captions, list(image_splits.captions["paraphrases"]), tokenizer, 40, torch.device("cpu")
    )
    task = unet.UNetTask(network, read, image_splits.images, wordings, design.learning_rate, flip=False)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    figures = unet.train(task, 1.0, design.batch, RUN)
    assert 1.0 <= figures["seconds"] < 10
    assert figures["images seen"] >= design.batch
    assert all(weight.isfinite().all() for weight in network.parameters())
    assert any(not torch.equal(weight, before[name]) for name, weight in network.named_parameters())

    trained = unet.Trained(
        network, read, lambda texts: torch.from_numpy(encode(tokenizer, texts, 40)), 32
    ).in_best_precision(captions[:2])
    draw = trained.drawing(captions[:6], 2, 1.0, RUN.seed)
    drawn = draw(slice(None))
    assert drawn.shape == (6, 32, 32, 3) and drawn.dtype == np.uint8
    assert np.array_equal(drawn, trained.drawing(captions[:6], 2, 1.0, RUN.seed)(slice(None)))
    assert np.abs(draw(slice(3, 6)).astype(int) - drawn[3:]).max() <= 2  # rounding, in whatever batch
    assert not np.array_equal(drawn, trained.drawing(captions[:6], 1, 1.0, RUN.seed)(slice(None)))
    assert not np.array_equal(drawn, trained.drawing(captions[:6], 2, 3.0, RUN.seed)(slice(None)))


def test_the_whole_benchmark_evaluates_both_models(smoke, tmp_path, empty_mlflow_store):
    pytest.importorskip("diffusers")
    script = smoke.path / "benchmarks" / "quality.py"
    if not script.exists():
        script.parent.mkdir()
        for path in BENCHMARKS.glob("*.py"):
            (script.parent / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, str(script), "--env", "smoke", "--minutes", "0.02", "--pictures", "16",
         "--channels", "16", "32", "--out", str(tmp_path)],
        env=environment_without_settings()
        | {"PYTHONPATH": str(smoke.path / "src"), "MLFLOW_TRACKING_URI": empty_mlflow_store},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = json.loads((tmp_path / "quality.json").read_text())
    rows = {row["model"]: row for row in found["rows"]}
    assert {"U-Net, 50 steps", "U-Net, 10 steps", "U-Net, 1 step"} < rows.keys()
    assert any(name.startswith("lexipix ") and name.endswith("(champion)") for name in rows)
    for row in rows.values():
        assert row.keys() >= {"steps", "seconds trained", "images/s", "attribute accuracy", "KID", "SSIM"}
    assert rows["U-Net, 1 step"]["images/s"] > rows["U-Net, 50 steps"]["images/s"]
    assert "better and faster" in (tmp_path / "quality.md").read_text()
    assert {path.name for path in Path(tmp_path).glob("*.png")} == {"quality.png", "quality_frontier.png"}

"""The benchmark of candidates and refinement."""

import json
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from tests.support.project import REPOSITORY, environment_without_settings

from lexipix.inference.inversion_result import Step

BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture
def candidates(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.delitem(sys.modules, "candidates", raising=False)
    import candidates

    return candidates


def test_rows_say_what_the_pictures_come_from(candidates):
    steps = [[Step(0, 0.2, 10.0), Step(1, 0.4, 14.0)], [Step(0, 0.4, 12.0), Step(1, 0.6, 18.0)]]
    each = [SimpleNamespace(steps=some, numbers=768, seconds=0.5) for some in steps]
    start, end = candidates.arm_rows("text + latent", each, [0, 1])
    assert (start["path"], start["numbers"]) == ("text", 0)
    assert (end["path"], end["numbers"]) == ("text + latent", 768)
    assert end["PSNR"] == 16.0 and end["SSIM"] == pytest.approx(0.5)
    assert (start["ms"], end["ms"]) == (250.0, 500.0)
    direct, *_ = candidates.arm_rows("direct + latent", each, [0])
    assert (direct["path"], direct["numbers"]) == ("direct", 768)


def test_the_time_of_one_is_a_median_of_some(candidates):
    asked = []
    assert candidates.alone(asked.append, 1000) < 1
    assert len(asked) == candidates.ALONE and asked[0] == 0 and asked[-1] == 999


def test_the_classifier_is_asked_for_pictures_that_have_a_class(candidates, monkeypatch):
    bundle = SimpleNamespace(config={"classes": ["cat", "dog"]}, card={})
    workshop = SimpleNamespace(
        load={"classifier": bundle}.get,
        parameters=SimpleNamespace(run=None, evaluation=SimpleNamespace(batch_size=2)),
    )
    table = pd.DataFrame({"label": ["dog", None, "cat", "frog", "dog"], "caption": "a photo"})
    real = SimpleNamespace(table=table.assign(withheld_caption=None))
    answers = {2: 1, 4: 1, 0: 0}  # by the picture's color: of the pictures without a class none is asked for
    monkeypatch.setattr(candidates, "is_skipped", lambda bundle: False)
    monkeypatch.setattr(
        candidates,
        "classify",
        lambda bundle, images, run, size: np.array([answers[i] for i in images[np.arange(len(images))]]),
    )
    agreement = candidates.classes_named(workshop, real)
    assert agreement(np.array([2, 1, 4, 3, 0])) == {"class_agreement": pytest.approx(1 / 3)}
    monkeypatch.setattr(candidates, "is_skipped", lambda bundle: True)
    assert candidates.classes_named(workshop, real)(np.zeros(5)) == {}


def test_the_whole_benchmark_on_finished_models(smoke, tmp_path, empty_mlflow_store):
    folder = smoke.path / "benchmarks"
    folder.mkdir(exist_ok=True)
    for path in BENCHMARKS.glob("*.py"):
        if not (folder / path.name).exists():
            (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    answer = subprocess.run(
        [sys.executable, str(folder / "candidates.py"), "--env", "smoke", "--pictures", "24",
         "--candidates", "1", "4", "--refined", "2", "--steps", "2", "6", "--out", str(tmp_path)],
        env=environment_without_settings()
        | {"PYTHONPATH": str(smoke.path / "src"), "MLFLOW_TRACKING_URI": empty_mlflow_store},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stderr[-3000:]
    found = json.loads((tmp_path / "candidates.json").read_text())
    one, four, until = found["rows"]
    assert (one["candidates"], four["candidates"]) == ("1", "4") and until["candidates"].startswith("until ")
    assert (one["drawn"], four["drawn"]) == (1.0, 4.0) and 1 <= until["drawn"] <= 4
    assert four["score"] >= one["score"]
    for row in found["rows"]:
        assert row.keys() >= {"attribute accuracy", "R-precision", "KID", "recall", "ms each", "ms alone"}
    assert 0 <= found["facts"]["real pictures' R-precision"] <= 1

    rows = json.loads((tmp_path / "refinement.json").read_text())["rows"]
    assert [row["steps"] for row in rows] == [0, 2, 6] * 4
    by = {(row["path"], row["fitted"], row["steps"]): row for row in rows}
    assert by["text", "latent", 0]["PSNR"] == pytest.approx(by["text", "noise", 0]["PSNR"])
    assert by["text + latent", "latent", 6]["PSNR"] > by["text", "latent", 0]["PSNR"]
    assert by["direct + latent", "latent", 6]["numbers"] == by["direct", "latent", 0]["numbers"] > 0
    assert not np.isnan([row["PSNR"] for row in rows]).any()
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "candidates.png", "candidates_sheet.png", "refinement.png", "refinement_direct.png",
        "refinement_sheet.png",
    }  # fmt: skip

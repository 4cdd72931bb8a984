"""The functions of the benchmark scripts; their measurements are not tested."""

import ast
import importlib
import json

import numpy as np
import pytest
import torch
from tests.support.benchmark_scripts import scripts  # noqa: F401
from tests.support.project import REPOSITORY
from tests.support.toy import ToyTask, fast

pytestmark = pytest.mark.usefixtures("scripts")


def test_a_row_has_the_median_of_paired_ratios():
    from turns import as_shown, comparison

    rates = comparison("a", "images/s", [20.0, 30.0, 10.0], "b", [10.0, 10.0, 10.0], 2.5)
    assert rates["ratio median"] == 2.0 and rates["ratio max"] == 3.0 and rates["kept"] is False
    seconds = comparison("a", "s", [2.0, 2.0, 2.0], "b", [4.0, 6.0, 2.0])
    assert seconds["ratio median"] == 2.0 and "bar" not in seconds
    shown = as_shown([rates, seconds])
    assert shown[0]["times as fast"] == "2 (1 to 3)" and shown[0]["bar"] == "2.5, missed"
    assert shown[1]["bar"] == "–"


def test_calls_alternate():
    from turns import take_turns

    order = []
    seconds = take_turns({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 2)
    assert order == ["a", "b"] * 3 and {name: len(taken) for name, taken in seconds.items()} == {
        "a": 2,
        "b": 2,
    }


def test_results_are_written(tmp_path, monkeypatch):
    from record import save
    from stages import draw
    from turns import as_shown, comparison

    monkeypatch.setenv("LEXIPIX_MLFLOW", "0")
    rows = [comparison("a", "s", [1.0, 2.0], "b", [2.0, 2.0], 3.0), comparison("c", "s", [1.0], "d", [9.0])]
    page = save("stages", rows, {"threads": 2}, tmp_path, "Notes.", as_shown(rows), {"stages": draw(rows)})
    assert json.loads(page.with_suffix(".json").read_text("utf-8"))["rows"][0]["kept"] is False
    assert "| a | s |" in page.read_text("utf-8") and "threads 2" in page.read_text("utf-8")
    assert page.with_suffix(".png").read_bytes().startswith(b"\x89PNG")


def test_products_are_found_and_timed():
    from shapes import _Noted, seconds_allowed

    weights = torch.randn(8, 3, 3, 3, requires_grad=True)
    linear = torch.nn.Linear(8, 5)

    def call():
        images = torch.randn(2, 3, 6, 6).contiguous(memory_format=torch.channels_last)
        linear(torch.conv2d(images, weights).mean((2, 3))).sum().backward()

    with _Noted() as noted:
        call()
    names = sorted(function.overloadpacket.__name__ for function, _, _ in noted.calls)
    assert {"convolution", "convolution_backward", "addmm", "mm"} <= set(names)
    assert 0 < seconds_allowed(call) < 10


def test_a_training_is_compared_with_a_bare_step():
    from stage_training import SET_UP, beside

    seen = []
    rows = beside("toy", ToyTask(), fast(), seen.append, 2, 2)
    assert [row["unit"] for row in rows] == ["images/s", "GFLOP/s"]
    assert all(row["lexipix median"] > 0 and row["other median"] > 0 for row in rows)
    assert len(seen) >= 4 + SET_UP


def test_ingestion_and_metrics_are_compared(tmp_path):
    from stage_images import evaluation, ingestion, write_scenes

    (row,) = evaluation(20, 1)
    assert row["unit"] == "pairs/s" and row["largest difference"] < 1e-5
    folder = write_scenes(tmp_path / "scenes", 3)
    assert len(list(folder.glob("*.png"))) == 3
    assert len((folder / "metadata.jsonl").read_text("utf-8").splitlines()) == 3
    pytest.importorskip("datasets")
    (row,) = ingestion(tmp_path / "beside", 40, 1)
    assert row["lexipix median"] > 0 and row["other median"] > 0


def test_a_source_is_ingested(tmp_path):
    from stage_images import ingest_source

    counts = {"n_train": 60, "n_val": 5, "n_test": 6}
    found = ingest_source({"kind": "scenes", "scenes": counts}, str(tmp_path / "store"), image_size=16)
    assert found["n_images"] == 71 and found["seconds"] > 0


@pytest.mark.parametrize("script", sorted((REPOSITORY / "benchmarks").glob("*.py")), ids=lambda one: one.stem)
def test_imports_of_a_script_exist(script):
    """Check scripts whose libraries are not installed too, which no other test imports."""
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("lexipix"):
            module = importlib.import_module(str(node.module))
            lacking = [name.name for name in node.names if not hasattr(module, name.name)]
            assert not lacking, f"{node.module} lacks {', '.join(lacking)}"


def test_different_captions_stop_the_benchmark():
    from stage_captioning import _same, pixels

    images = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)
    assert pixels(images).shape == (2, 3, 8, 8) and pixels(images).abs().max() <= 1
    with pytest.raises(SystemExit, match="1 of 2 captions differ"):
        _same(["a", "b"], ["a", "c"])


def test_projects_of_the_start_up_benchmark_run(tmp_path):
    from stage_startup import LAST_STAGE, bare_project, copy_of_this, run

    assert "Pipeline execution completed" in run(bare_project(tmp_path / "bare"), "kedro", "run")
    assert "didn't change, skipping" in run(tmp_path / "bare", "dvc", "repro")
    said = run(copy_of_this(tmp_path / "copy"), "dvc", "repro", LAST_STAGE)
    assert said.count("didn't change, skipping") == 10


def test_shards_are_named_again_instead_of_copied(tmp_path):
    from engines import compared, repeat_shards

    shards = [{"rows": 40, "images": {"name": "a"}}, {"rows": 10, "images": {"name": "b"}}]
    (tmp_path / "shards.json").write_text(json.dumps({"splits": {"train": shards, "val": []}}))
    repeat_shards(tmp_path, 120)
    named = json.loads((tmp_path / "shards.json").read_text())["splits"]["train"]
    assert [shard["images"]["name"] for shard in named] == ["a", "b", "a", "b", "a"]
    local = [{"seconds": seconds, "mib": 10, "digest": "x"} for seconds in (2.0, 4.0, 1.0)]
    ray = [
        {"seconds": seconds, "mib": 11, "worker_mib": 12, "start": 3.0, "digest": "x"}
        for seconds in (2.2, 4.2, 1.5)
    ]
    row = compared("features", 100, local, ray)
    assert row["overhead, median"] == 0.1 and row["overhead, max"] == 0.5 and row["same bytes"]
    assert row["local, images/s"] == 50.0 and row["a worker, MiB"] == 12

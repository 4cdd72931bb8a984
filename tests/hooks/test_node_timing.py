from types import SimpleNamespace

from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from lexipix.hooks.node_timing import NodeTimingHooks, cost_table, load_estimate, results_place
from lexipix.utils.types import ModelBundle


def costs(**nodes):
    return {name: dict(zip(("seconds", "peak_mb"), cost, strict=True)) for name, cost in nodes.items()}


def test_long_nodes_are_in_the_table_beside_their_plan():
    measured = costs(train_vae=(75.0, 900.0), ingest=(9.0, None), measure=(0.5, 500.0))
    assert cost_table(measured, {"train_vae": 60.0, "measure": 0.4}) == [
        "              planned       taken  memory",
        "train_vae  1 min 00 s  1 min 15 s  900 MB",
        "ingest              –       9.0 s       –",
        "all                 –  1 min 24 s  900 MB",
    ]
    assert cost_table(measured, {"train_vae": 60.0, "ingest": 3.0})[-1].split("  ").count("1 min 03 s") == 1
    assert cost_table(costs(measure=(0.5, None)), {}) == []


def test_a_training_says_itself_what_it_plans():
    hooks, node = NodeTimingHooks(), SimpleNamespace(name="train_vae")
    hooks.before_node_run(node)
    vae = ModelBundle({}, {}, None, {"metrics": {"planned_seconds": 12.0}})
    trained = {"vae": vae, "vae_curves": [1], "vae_metrics": {"planned_seconds": 12.0}}
    hooks.after_node_run(node, trained)
    assert hooks.planned == {"train_vae": 12.0}
    hooks.after_node_run(node, trained | {"vae_curves": [], "vae_metrics": {}})  # left out
    captioner = ModelBundle({}, {}, None, {"metrics": {"planned_seconds": 8.0}})
    node = SimpleNamespace(name="train_captioner")
    hooks.before_node_run(node)
    hooks.after_node_run(node, {"captioner": captioner, "captioner_curves": [1]})
    assert hooks.planned == {"train_vae": 12.0, "train_captioner": 8.0}
    hooks.before_pipeline_run()
    assert hooks.planned == {}


def test_nodes_that_run_at_the_same_time_are_measured_apart(monkeypatch):
    clock = iter((10.0, 11.0, 15.0, 17.0))
    monkeypatch.setattr("lexipix.hooks.node_timing.time.perf_counter", lambda: next(clock))
    hooks, nodes = NodeTimingHooks(), [SimpleNamespace(name=name) for name in "ab"]
    for one in nodes:
        hooks.before_node_run(one)
    for one in nodes:
        hooks.after_node_run(one, {})
    assert [hooks.costs[name]["seconds"] for name in "ab"] == [5, 6]


def test_an_estimate_that_is_damaged_is_a_warning(tmp_path, caplog):
    (tmp_path / "estimate.json").write_text("{")
    entry = {"type": "lexipix.datasets.files.JsonDataset", "filepath": str(tmp_path / "estimate.json")}
    assert load_estimate(DataCatalog.from_config({"estimate": entry})) == {}
    assert "The estimate cannot be used" in caplog.text


def test_the_time_of_saving_a_stream_counts(monkeypatch):
    clock = iter((10.0, 11.0, 15.0))
    monkeypatch.setattr("lexipix.hooks.node_timing.time.perf_counter", lambda: next(clock))
    hooks, node = NodeTimingHooks(), SimpleNamespace(name="ingest")
    hooks.before_node_run(node)
    hooks.after_node_run(node, {})
    assert hooks.costs["ingest"]["seconds"] == 1
    hooks.after_dataset_saved(node)
    assert hooks.costs["ingest"]["seconds"] == 5
    hooks.before_pipeline_run()
    assert hooks.costs == {}


def test_without_an_estimate_there_is_none():
    assert load_estimate(DataCatalog()) == {}
    assert load_estimate(DataCatalog({"estimate": MemoryDataset()})) == {}
    kept = {"ingest": {"seconds": 1.0, "peak_mb": None}}
    assert load_estimate(DataCatalog({"estimate": MemoryDataset(kept)})) == kept


def test_the_last_line_names_the_report_or_the_last_result():
    kind = {"type": "lexipix.datasets.files.JsonDataset"}
    catalog = DataCatalog.from_config(
        {"report": kind | {"filepath": "data/report.html"}, "sheet": kind | {"filepath": "data/sheet.png"}}
    )
    draw = node(lambda: 1, None, "sheet", name="draw")
    write = node(lambda sheet: (1, 2), "sheet", ["report", "other"], name="write")
    assert results_place(Pipeline([draw]), catalog) == "The results are in data/sheet.png"
    assert results_place(Pipeline([draw, write]), catalog) == "Open the report: data/report.html"
    assert results_place(Pipeline([node(lambda: 1, None, "other", name="draw")]), catalog) is None

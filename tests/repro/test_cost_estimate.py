"""What `kedro estimate` says of a run, held against the run."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from lexipix.hooks.project import told

from lexipix.cli.estimate import estimate as command
from lexipix.config.pipelines import DEFAULT
from lexipix.config.root import LexipixParameters
from lexipix.pipeline_registry import register_pipelines
from lexipix.repro.cost_estimate import FEW_STEPS, _peak
from lexipix.repro.dry_run import COUNTED, LESSONS, TRAININGS, at, shortened
from lexipix.utils.types import SPLITS


def test_every_training_and_every_reader_of_pictures_is_known():
    nodes = {node.name: node for node in register_pipelines()[DEFAULT].nodes}
    trainings = {name for name, node in nodes.items() if any(one.endswith("_stream") for one in node.inputs)}
    assert trainings == set(TRAININGS)
    assert set(COUNTED) <= set(nodes)


def test_rehearsal_is_the_run_made_short():
    parameters = LexipixParameters()
    short = shortened(parameters, 6, 200)
    for section in TRAININGS.values():
        training, whole = at(short, section), at(parameters, section)
        assert training.num_images == 6 * whole.batch_size and training.learning_rate == whole.learning_rate
    for section, lessons in LESSONS.items():
        training, whole = at(parameters, section).training, getattr(at(parameters, section), lessons)
        proportion = 6 * training.batch_size / training.num_images
        assert getattr(at(short, section), lessons) == pytest.approx(proportion * whole, abs=1)
    assert short.ingestion.source.scenes.n_train == 200
    assert short.generator.prior.width == parameters.generator.prior.width
    own = parameters.model_dump()
    own["ingestion"]["source"] |= {"kind": "cifar10", "path": "x"}
    assert shortened(LexipixParameters.model_validate(own), 6, 200).ingestion.source.max_pictures == 800


def test_memory_grows_with_pictures_and_lessons():
    parameters = LexipixParameters()

    def rehearsed(peak):
        split = SimpleNamespace(captions=pd.DataFrame({"caption": ["x"] * 100}))
        pictures = {name: range(100) for name in SPLITS}
        data = {"pictures": _Pictures(train=split, sizes=pictures)}
        nodes = ("train_vae", "teach_reader", "teach_small", "ingest")
        return SimpleNamespace(peaks=dict.fromkeys(nodes, peak), data=data)

    first, steps = rehearsed(500.0), [rehearsed(500.0), rehearsed(524.0)]
    counts = dict.fromkeys(SPLITS, 25_100)

    def peak(name):
        return _peak(name, parameters, counts, first, steps)

    pictures = 4 * 25_000 * 32 * 32 * 3 / 1e6
    training = parameters.compression.small.reader.training
    lessons = 1.0 * (training.num_images / training.batch_size - FEW_STEPS)  # 24 MB over 24 steps
    assert peak("ingest") == 500
    assert peak("train_vae") == pytest.approx(500 + pictures)
    drawn = parameters.compression.small.n_pictures * 32 * 32 * 3 / 1e6
    assert peak("teach_small") == pytest.approx(500 + pictures + drawn)
    assert peak("teach_reader") == pytest.approx(500 + pictures + lessons)


class _Pictures:
    def __init__(self, train, sizes):
        self.train, self._sizes = train, sizes

    def __getitem__(self, name):
        return self._sizes[name]


def test_what_nodes_took_is_told_beside_what_was_expected():
    taken = {"train_vae": (75.0, 900.0), "ingest": (9.0, None), "measure": (0.5, 500.0)}
    expected = {"train_vae": (60.0, 800.0), "measure": (0.4, 700.0)}
    costs, hopes = (
        {name: dict(zip(("seconds", "peak_mb"), cost, strict=True)) for name, cost in some.items()}
        for some in (taken, expected)
    )
    assert told(costs, hopes) == [
        "train_vae took 1 min 15 s, 900 MB (estimated 1 min 00 s, 800 MB)", "ingest took 9.0 s",
        "Together 1 min 16 s, 900 MB (estimated 1 min 00 s, 800 MB)",
    ]  # fmt: skip
    assert told({"measure": {"seconds": 0.5, "peak_mb": None}}, {}) == []


def test_pictures_that_were_never_read_are_asked_for(tmp_path, monkeypatch):
    from pathlib import Path
    from shutil import copytree

    copytree(Path(__file__).parents[2] / "conf", tmp_path / "conf")
    metadata = SimpleNamespace(project_path=tmp_path)
    answer = CliRunner().invoke(
        command, ["--env", "folder", "--params", "ingestion.source.path=x"], obj=metadata
    )
    assert answer.exit_code == 1 and "run the stage ingestion first" in answer.output


def test_estimate_of_a_small_run_is_told_and_kept(tmp_path):
    from pathlib import Path
    from shutil import copytree

    copytree(Path(__file__).parents[2] / "conf", tmp_path / "conf")
    page = tmp_path / "conf/smoke/parameters_compression.yml"
    content = yaml.safe_load(page.read_text())
    content["compression"]["variants"] = ["onnx_fp32"]  # the others would take a minute
    page.write_text(yaml.safe_dump(content))
    metadata = SimpleNamespace(project_path=tmp_path)
    answer = CliRunner().invoke(command, ["--env", "smoke"], obj=metadata)
    assert answer.exit_code == 0, answer.output
    kept = json.loads((tmp_path / "data/smoke/08_reporting/estimate.json").read_text())
    assert set(kept) == {node.name for node in register_pipelines()[DEFAULT].nodes}
    assert all(cost["seconds"] >= 0 for cost in kept.values()) and kept["train_gan"]["seconds"] > 0.1
    assert "together" in answer.output and "TFLOP" in answer.output

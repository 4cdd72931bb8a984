"""What `kedro estimate` says of a run, held against the run."""

import json
import shutil
import time
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from tests.support.parameters import base_parameters
from tests.support.project import REPOSITORY

from lexipix import pipeline_registry
from lexipix.cli.estimate import estimate as command
from lexipix.cli.project_context import ProjectContext
from lexipix.config.pipelines import DEFAULT
from lexipix.pipeline_registry import register_pipelines
from lexipix.repro.cost_estimate import MORE_STEPS, STEPS, Extrapolation, estimate
from lexipix.repro.dry_run import (
    COUNTED,
    INNER_TRAININGS,
    LIMITS,
    TEACHER_SAMPLES,
    TRAININGS,
    DryRun,
    shorten,
    training_section,
)
from lexipix.utils.nested import lookup
from lexipix.utils.types import SPLITS, ModelBundle


def test_every_training_and_every_node_that_goes_through_images_is_known():
    nodes = {node.name: node for node in register_pipelines()[DEFAULT].nodes}
    sections = {training_section(node) for node in nodes.values()} - {None}
    assert sections == set(TRAININGS.values())
    assert {*COUNTED, *LIMITS, *INNER_TRAININGS} <= set(nodes)


def test_a_dry_run_is_the_run_with_fewer_steps_and_images():
    parameters = base_parameters()
    short = shorten(parameters, 6, 200)
    for section in TRAININGS.values():
        training, whole = lookup(short, section), lookup(parameters, section)
        assert training.num_images == 6 * whole.batch_size and training.learning_rate == whole.learning_rate
    for section, samples in TEACHER_SAMPLES.items():
        training, whole = lookup(parameters, section).training, lookup(parameters, f"{section}.{samples}")
        proportion = 6 * training.batch_size / training.num_images
        assert lookup(short, f"{section}.{samples}") == pytest.approx(proportion * whole, abs=1)
    assert short.ingestion.source.scenes.n_train == 200
    assert short.generator.prior.width == parameters.generator.prior.width
    quick = shorten(base_parameters({"run.training_share": 0.1}), 6, 200)
    assert quick.run.training_share == 1 and quick.features == short.features
    own = base_parameters({"ingestion.source.kind": "cifar10", "ingestion.source.path": "x"})
    assert shorten(own, 6, 200).ingestion.source.max_images == 600


def test_memory_grows_with_images_and_with_a_teachers_samples():
    parameters = base_parameters()
    nodes = {node.name: node for node in register_pipelines()[DEFAULT].nodes}
    teachers = {
        section: name for name, node in nodes.items() if (section := training_section(node)) is not None
    }
    text_encoder, small = (teachers[f"compression.small{part}.training"] for part in (".text_encoder", ""))

    def measured(peak):
        images = np.zeros((100, 32, 32, 3), np.uint8)
        split = SimpleNamespace(captions=pd.DataFrame({"caption": ["x"] * 100}), images=images)
        image_splits = {name: range(100) for name in SPLITS}
        data = {"image_splits": _Pictures(train=split, sizes=image_splits)}
        return SimpleNamespace(
            peaks=dict.fromkeys(("train_vae", text_encoder, small, "ingest"), peak), data=data
        )

    few, more_steps = measured(500.0), measured(500.0 + MORE_STEPS - STEPS)
    counts = dict.fromkeys(SPLITS, 25_100)
    extrapolation = Extrapolation(parameters, counts, few, few, more_steps, few)

    def peak(name):
        return extrapolation.peak_mb(nodes[name])

    images = 4 * 25_000 * 32 * 32 * 3 / 1e6
    training = parameters.compression.small.text_encoder.training
    samples = 1.0 * (training.num_images / training.batch_size - STEPS)  # 9 MB over 9 steps
    assert peak("ingest") == 500
    assert peak("train_vae") == pytest.approx(500 + images)
    drawn = lookup(parameters.compression.small, TEACHER_SAMPLES["compression.small"]) * 32 * 32 * 3 / 1e6
    assert peak(small) == pytest.approx(500 + images + drawn)
    assert peak(text_encoder) == pytest.approx(500 + images + samples)


def _metrics(seconds_per_image, n_images=192):
    return {
        "planned_seconds": n_images * seconds_per_image,
        "images_seen": n_images,
        "validation_seconds": 2.0,
        "mflop_per_image": 100.0,
    }


def test_a_training_takes_its_steps_and_validations_and_what_it_prepares():
    parameters = base_parameters({"generator.vae.training.num_images": 6_400})
    training = parameters.generator.vae.training
    node = next(node for node in register_pipelines()[DEFAULT].nodes if node.name == "train_vae")
    step = 0.1
    measured = _metrics(step / training.batch_size)
    split = SimpleNamespace(captions=pd.DataFrame({"caption": ["x"]}), images=np.zeros((1, 8, 8, 3)))
    data = {
        "image_splits": _Pictures(train=split, sizes=dict.fromkeys(SPLITS, range(100)) | {"val": range(64)}),
        "vae": ModelBundle({"kind": "vae"}, {}, None, {"metrics": measured}),
        "vae_curves": pd.DataFrame({"images_seen": [1]}),
    }
    first = SimpleNamespace(
        seconds={"train_vae": 5.0 + STEPS * step + 2.0}, peaks={"train_vae": None}, data=data
    )
    counts = dict.fromkeys(SPLITS, 10) | {"val": 32}
    found = Extrapolation(parameters, counts, first, first, first, first).estimate(node)
    n_steps = 6_400 / training.batch_size
    # Half as many images are validated on in the run
    assert found.seconds == pytest.approx(5.0 + n_steps * step + training.num_validations * 1.0)
    assert found.parameter == "generator.vae.training.num_images"
    assert found.tflop == pytest.approx(0.64) and found.gflops == pytest.approx(640 / (n_steps * step))
    quick = parameters.model_copy(update={"run": parameters.run.model_copy(update={"training_share": 0.5})})
    half = Extrapolation(quick, counts, first, first, first, first).estimate(node).seconds
    assert found.seconds - half == pytest.approx(n_steps * step / 2)
    data["vae_curves"] = pd.DataFrame({"images_seen": []})
    assert (
        Extrapolation(parameters, counts, first, first, first, first).estimate(node).seconds
        == (first.seconds["train_vae"])
    )


def test_a_teachers_samples_take_time_with_every_step():
    parameters = base_parameters()
    section = "compression.small"
    node = next(
        one for one in register_pipelines()[DEFAULT].nodes if training_section(one) == f"{section}.training"
    )
    split = SimpleNamespace(captions=pd.DataFrame({"caption": ["x"]}), images=np.zeros((1, 8, 8, 3)))
    model, curves = (next(name for name in node.outputs if name.endswith(end)) for end in ("", "_curves"))
    data = {
        "image_splits": _Pictures(train=split, sizes=dict.fromkeys(SPLITS, range(100))),
        model: ModelBundle({"kind": "vae"}, {}, None, {"metrics": _metrics(0.001)}),
        curves: pd.DataFrame({"images_seen": [1]}),
    }

    def measured(seconds):
        return SimpleNamespace(seconds={node.name: seconds}, peaks={node.name: None}, data=data)

    first, second, more = measured(10.0), measured(3.0), measured(3.0 + 0.5 * (MORE_STEPS - STEPS))
    counts = dict.fromkeys(SPLITS, 100)
    found = Extrapolation(parameters, counts, first, second, more, second).estimate(node)
    training = parameters.compression.small.training
    n_steps = training.num_images / training.batch_size
    assert found.seconds == pytest.approx(10 + (n_steps - STEPS) * 0.5 + 2 * (training.num_validations - 1))


def test_the_classifier_of_drawn_images_is_counted():
    parameters = base_parameters()
    node = next(node for node in register_pipelines()[DEFAULT].nodes if node.name == "measure_classes")
    split = SimpleNamespace(captions=pd.DataFrame({"caption": ["x"] * 100}), images=np.zeros((1, 8, 8, 3)))
    data = {
        "image_splits": _Pictures(train=split, sizes=dict.fromkeys(SPLITS, range(100))),
        "classifier": ModelBundle({"kind": "classifier"}, {}, None, {"metrics": _metrics(0.002)}),
    }
    first = SimpleNamespace(seconds={node.name: 7.0}, peaks={node.name: None}, data=data)
    found = Extrapolation(parameters, dict.fromkeys(SPLITS, 100), first, first, first, first).estimate(node)
    assert found.seconds == pytest.approx(7 + 0.002 * parameters.evaluation.classifier.training.num_images)
    assert found.parameter == "evaluation.classifier.training.num_images"


class _Pictures:
    def __init__(self, train, sizes):
        self.train, self.val, self._sizes = train, sizes["val"], sizes

    def __getitem__(self, name):
        return self._sizes[name]


@pytest.fixture
def project(tmp_path):
    """A project without data."""
    shutil.copytree(REPOSITORY / "conf", tmp_path / "conf")
    return SimpleNamespace(project_path=tmp_path)


def test_pictures_that_were_never_read_are_asked_for(project):
    answer = CliRunner().invoke(
        command, ["--env", "folder", "--params", "ingestion.source.path=x"], obj=project
    )
    assert answer.exit_code == 1
    assert "run `kedro run --env folder --pipelines ingestion` first" in " ".join(answer.output.split())


def test_the_estimate_of_the_smoke_environment_is_right_within_a_quarter(project, tmp_path, monkeypatch):
    # Time of the processor, which other tests beside this one do not change
    monkeypatch.setattr(time, "perf_counter", time.process_time)
    context = ProjectContext(project.project_path, "smoke")
    chosen = register_pipelines()["features"].only_nodes("train_features")
    chosen += register_pipelines()["generator"].only_nodes_with_tags("vae").only_nodes("train_vae")
    nodes = (register_pipelines()["ingestion"] + chosen).nodes
    counts = {split: getattr(context.parameters.ingestion.source.scenes, f"n_{split}", 0) for split in SPLITS}
    for _ in range(2):  # the first time imports and prepares what the run below then finds
        found = estimate(
            nodes, context.parameters, context.load, {**counts, "uncaptioned": 0}, lambda *_: None
        )
    whole = DryRun(context.parameters, context.load, tmp_path / "whole", {})
    for node in nodes:
        whole.run(node)
    trainings = [one for one in found if one.node.startswith("train")]
    expected = {one.node: one.seconds for one in trainings}
    taken = {name: whole.seconds[name] for name in expected}
    assert len(trainings) == 2
    assert sum(expected.values()) == pytest.approx(sum(taken.values()), rel=0.25), (expected, taken)


def test_estimate_of_a_small_run_is_told_and_kept(project, monkeypatch):
    # Nodes of each kind; the exports of the others would take a minute
    nodes = register_pipelines()["features"] + register_pipelines()["generator"].only_nodes_with_tags("vae")
    nodes += register_pipelines()["ingestion"]
    monkeypatch.setattr(pipeline_registry, "register_pipelines", lambda: {DEFAULT: nodes})
    answer = CliRunner().invoke(command, ["--env", "smoke"], obj=project)
    assert answer.exit_code == 0, answer.output
    assert "takes the most" in answer.output and "run.training_share=0.2" in answer.output
    kept = json.loads((project.project_path / "data/smoke/08_reporting/estimate.json").read_text())
    assert {"ingest", "train_features", "train_vae"} < set(kept) == {node.name for node in nodes.nodes}
    assert all(cost["seconds"] >= 0 for cost in kept.values()) and kept["train_vae"]["seconds"] > 0.1
    assert "total" in answer.output and "TFLOP" in answer.output

"""DVC runs what is out of date and nothing else: shown on a smoke run, recorded as if DVC had made it."""

import shutil

import mlflow
import numpy as np
import pytest
from PIL import Image
from tests.support.dvc_project import LAST, STAGES, change_parameter, changed_stages, dvc, stages_run
from tests.support.project import run_kedro


@pytest.fixture(scope="module")
def project(recorded, tmp_path_factory):
    path = tmp_path_factory.mktemp("dvc") / "project"
    shutil.copytree(recorded, path, symlinks=True)
    return path


def test_what_is_up_to_date_is_not_run_again(project):
    """How long it takes to find that out is measured by benchmarks/stage_startup.py."""
    assert changed_stages(project) == set()
    said = dvc(project, "repro", LAST)
    assert all(f"Stage '{name}@base' didn't change, skipping" in said for name in STAGES)
    assert stages_run(said) == []


def test_changed_result_concerns_who_made_it_and_who_reads_it_and_comes_back_from_the_cache(project):
    before = {}
    for file, stages in {
        "06_models/champion/config.json": {"compression", "evaluation"},
        "03_primary/summary.json": {"ingestion", "evaluation"},
        "03_primary/images/train/captions.parquet": set(STAGES),
    }.items():
        path = project / "data" / file
        before[path] = path.read_bytes()
        path.write_bytes(before[path] + b"\n")
        assert changed_stages(project) == stages, file
        path.write_bytes(before[path])
    for path, content in before.items():
        path.write_bytes(content + b"\n")
    said = dvc(project, "repro", LAST)
    assert stages_run(said) == []
    assert "is cached - skipping run, checking out outputs" in said
    assert {path: path.read_bytes() for path in before} == before
    assert changed_stages(project) == set()


def test_changed_node_runs_again_and_what_it_leaves_equal_runs_nothing_else(project):
    module = project / "src" / "lexipix" / "pipelines" / "ingestion" / "nodes.py"
    module.write_text(module.read_text(encoding="utf-8") + "\n# More words.\n", encoding="utf-8")
    assert stages_run(dvc(project, "repro", LAST)) == ["ingestion"]
    assert changed_stages(project) == set()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lexipix")
    (run,) = client.search_runs([experiment.experiment_id], "attributes.run_name = 'ingestion@base'")
    assert run.info.status == "FINISHED" and run.data.tags["dvc.stage"] == "ingestion@base"
    assert run.data.params["ingestion.image_size"] == "32"


def test_changed_picture_is_ingested_again_and_with_it_changes_what_all_others_read(project, tmp_path):
    project = shutil.copytree(project, tmp_path / "project", symlinks=True)
    image_splits = project / "data" / "01_raw" / "pictures"
    image_splits.mkdir()
    random = np.random.default_rng(7)
    for number in range(60):
        pixels = random.integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(image_splits / f"{number}.png")
        (image_splits / f"{number}.txt").write_text(f"noise number {number}", encoding="utf-8")
    change_parameter(project, "ingestion", "source.kind", "folder")
    change_parameter(project, "ingestion", "source.path", "data/01_raw/pictures")
    assert run_kedro(project, "dvc", "sync").returncode == 0
    dvc(project, "commit", "--force", "--quiet", "--with-deps", LAST)
    assert changed_stages(project) == set()

    one = image_splits / "0.png"
    before = one.read_bytes()
    Image.new("RGB", (32, 32), "navy").save(one)
    assert changed_stages(project) == {"ingestion"}
    assert stages_run(dvc(project, "repro", "ingestion@base")) == ["ingestion"]
    assert changed_stages(project) == set(STAGES) - {"ingestion"}

    one.write_bytes(before)
    assert stages_run(dvc(project, "repro", LAST)) == [], "what was made of these pictures is in the cache"
    assert changed_stages(project) == set()

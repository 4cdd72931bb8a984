"""DVC runs what is out of date and nothing else: shown on a smoke run, recorded as if DVC had made it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest
import yaml
from dvc.repo import Repo
from kedro.config import OmegaConfigLoader

from lexipix.settings import CONFIG_LOADER_ARGS

STAGES = (
    "ingestion", "features", "captioner", "generator_vae", "generator_prior", "generator_gan", "compression",
    "evaluation",
)  # fmt: skip


def dvc(project, *arguments):
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    answer = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout


@pytest.fixture(scope="module")
def project(smoke, tmp_path_factory):
    """A project whose base environment has the smoke run's parameters and results."""
    path = tmp_path_factory.mktemp("dvc") / "project"
    shutil.copytree(smoke.path, path, ignore=shutil.ignore_patterns("mlartifacts", "data", "__pycache__"))
    shutil.copytree(smoke.data, path / "data")
    loader = OmegaConfigLoader(conf_source=str(path / "conf"), env="smoke", **CONFIG_LOADER_ARGS)
    for section, values in loader["parameters"].items():
        name = "parameters.yml" if section == "run" else f"parameters_{section}.yml"
        (path / "conf" / "base" / name).write_text(yaml.safe_dump({section: values}), encoding="utf-8")
    dvc(path, "init", "--no-scm", "--quiet")
    dvc(path, "commit", "--force", "--quiet", "dvc.yaml")
    return path


def change(project, section, path, value):
    """Change a parameter of the base environment; gives the text to go back to."""
    file = project / "conf" / "base" / f"parameters_{section}.yml"
    before = file.read_text(encoding="utf-8")
    data = yaml.safe_load(before)
    *groups, leaf = path.split(".")
    inner = data[section]
    for group in groups:
        inner = inner[group]
    assert inner[leaf] != value
    inner[leaf] = value
    file.write_text(yaml.safe_dump(data), encoding="utf-8")
    return file, before


def changed(project):
    """Name the stages whose own parameters or files have changed, as `dvc status` does."""
    with Repo(str(project)) as repository:
        # Other environments have stages in files of their own, which were never run here
        places = [name.rpartition(":") for name in repository.status()]
        return {name for file, _, name in places if "conf/" not in file}


def test_what_is_up_to_date_is_not_run_again(project):
    assert changed(project) == set()
    said = dvc(project, "repro")
    assert all(f"Stage '{name}' didn't change, skipping" in said for name in STAGES)
    assert "Running stage" not in said


@pytest.mark.parametrize(
    ("section", "path", "value", "stage"),
    [
        ("ingestion", "image_size", 64, "ingestion"),
        ("features", "training.images", 9, "features"),
        ("captioner", "beams", 3, "captioner"),
        ("generator", "vae.latent_channels", 3, "generator_vae"),
        ("generator", "prior.noises", 9, "generator_prior"),
        ("generator", "gan.training.images", 9, "generator_gan"),
        ("compression", "measurement.batch_size", 3, "compression"),
        ("evaluation", "kid_subsets", 3, "evaluation"),
    ],
)
def test_changed_parameter_concerns_one_stage(project, section, path, value, stage):
    file, before = change(project, section, path, value)
    try:
        assert changed(project) == {stage}
    finally:
        file.write_text(before, encoding="utf-8")


def test_parameter_that_two_trainings_share_concerns_both(project):
    file, before = change(project, "generator", "flip", True)
    try:
        assert changed(project) == {"generator_prior", "generator_gan"}
    finally:
        file.write_text(before, encoding="utf-8")


def test_changed_stage_runs_alone_and_is_tracked_under_its_name(project):
    change(project, "evaluation", "n_shown", 2)
    said = dvc(project, "repro")
    assert [line for line in said.splitlines() if line.startswith("Running stage")] == [
        "Running stage 'evaluation':"
    ]
    assert changed(project) == set()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{project / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("lexipix")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.data.tags["dvc.stage"] == "evaluation"
    assert run.data.params["evaluation.n_shown"] == "2"
